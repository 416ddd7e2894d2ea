/** The command line: argv to a command, its outcome to an exit code. Commands are loaded when they are called. */
import { Command, CommanderError, Option } from 'commander';
import type { Flags } from '../flags.ts';
import { messageOf } from '../errors.ts';
import { VERSION } from '../version.ts';
import type { DemoOptions } from './demo.ts';
import type { ExplainOptions } from './explain.ts';
import type { IndexOptions } from './make-index.ts';
import type { InspectOptions } from './inspect.ts';
import type { PushOptions } from './push.ts';
import type { LookupOptions } from './lookup.ts';
import type { AddOptions, ListOptions, StoreOptions } from './store.ts';
import type { GcOptions, VerifyOptions } from './store-care.ts';
import type { SymbolizeOptions } from './symbolize.ts';
import type { TokenOptions } from './token.ts';
import { UsageError } from './usage.ts';

const EXIT_USAGE = 2;

const storeOption = () =>
  new Option(
    '--store <place>',
    'the archive of binaries: a directory or s3://bucket/prefix (default: $XDG_DATA_HOME/resym)',
  ).env('RESYM_STORE');

const archOption = () =>
  new Option('--arch <name>', 'of a universal file, the part for this architecture: arm64, amd64, x86_64h...');

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

const debuginfodOption = () =>
  new Option(
    '--debuginfod <url>',
    'a debuginfod server to ask for what the archive does not have; may be repeated (or $RESYM_DEBUGINFOD)',
  ).argParser(collect);

const docUrlOption = () =>
  new Option(
    '--doc-url <template>',
    'documentation URL of profiles without one: https://git.example.com/{module}/tree/{revision}; also {version} {buildId} {goVersion} {name}',
  );

const sourceMapOption = () =>
  new Option(
    '--source-map <from=to>',
    'where source files are now; FROM is a directory, or GOROOT, GOMODCACHE, MAIN for -trimpath builds; may be repeated',
  ).argParser(collect);

const program = new Command('resym')
  .description('Names the frames of pprof profiles from an archive of unstripped binaries.')
  .version(VERSION)
  .showHelpAfterError('(--help shows the options)')
  .exitOverride()
  .enablePositionalOptions() // `store ls --version` is about binaries
  .configureHelp({ showGlobalOptions: false });

program
  .command('serve')
  .description('proxy /debug/pprof endpoints and serve their profiles with every frame named')
  .option('--config <file>', 'configuration file (default: resym.yaml, when it exists)')
  .option('--listen <host:port>', 'address to listen on (default: 127.0.0.1:7070)')
  .addOption(storeOption())
  .option('--target <name=url>', 'a service to proxy; may be repeated', collect)
  .addOption(debuginfodOption())
  .option(
    '--anonymous <scopes>',
    'what may be done without a token: all, or some of read,symbolize,upload,capture,admin',
  )
  .option('--tls-cert <file>', 'serve https with this certificate, PEM')
  .option('--tls-key <file>', 'its key, PEM')
  .option('--workers <n>', "threads that work on profiles; 0: the server's own (default: the processors, at most 4)")
  .option('--no-identity', 'no comments that say which build the main binary is')
  .addOption(docUrlOption())
  .addOption(sourceMapOption())
  .action(async (options: Flags) => (await import('./serve.ts')).serve(options));

program
  .command('symbolize')
  .description('name the frames of saved profiles')
  .argument('[profile...]', 'files, directories, globs or s3://bucket/prefix; - is stdin')
  .option('-o, --output <path>', 'file, or directory (or s3://bucket/prefix) for several profiles; - is stdout')
  .option('--in-place', 'write each profile back to where it was')
  .option('--force', 'do again what is in the output directory already')
  .option('--shard <i/n>', 'only the I-th of N parts, from 0 on; N alone in an indexed Kubernetes job')
  .option('--watch <dir>', 'work on profiles as they appear in a directory, until stopped')
  .option('--binary <file>', 'a binary to use before the archive; may be repeated', collect)
  .addOption(storeOption())
  .addOption(debuginfodOption())
  .option('--jobs <n>', 'profiles worked on at once (default: the number of processors)')
  .option('--repair', 'restore what a client has taken from named frames: inlined calls, start lines, names')
  .option('--no-identity', 'no comments that say which build the main binary is')
  .addOption(docUrlOption())
  .addOption(sourceMapOption())
  .option('--report <file>', 'write what was named, and why the rest was not, as JSON; - is stdout')
  .action(async (profiles: string[], options: SymbolizeOptions) =>
    (await import('./symbolize.ts')).symbolize(profiles, options),
  );

program
  .command('explain')
  .description('say per mapping which binary is used, what stays unnamed and what to do about it')
  .argument('<profile>', 'a profile; - is stdin')
  .option('--binary <file>', 'a binary to use before the archive; may be repeated', collect)
  .addOption(storeOption())
  .addOption(debuginfodOption())
  .option('--repair', 'with what --repair of symbolize would restore')
  .option('--json', 'the report as JSON')
  .action(async (profile: string, options: ExplainOptions) => (await import('./explain.ts')).explain(profile, options));

program
  .command('lookup')
  .description('names of addresses in a binary, like addr2line -afi')
  .argument('<binary>', 'a file or a dSYM bundle')
  .argument('[address...]', 'link-time addresses in hex; none: read from stdin')
  .addOption(archOption())
  .option('--json', 'one JSON value a line')
  .action(async (binary: string, addresses: string[], options: LookupOptions) =>
    (await import('./lookup.ts')).lookup(binary, addresses, options),
  );

program
  .command('index')
  .description('make the symbol index of a binary, or of all in the archive: later lookups take milliseconds')
  .argument('[binary]', 'a file or a dSYM bundle; none: the archive')
  .addOption(archOption())
  .option('-o, --output <file>', 'where to (default: beside the binary, as <binary>.symidx)')
  .addOption(storeOption())
  .action(async (binary: string | undefined, options: IndexOptions) =>
    (await import('./make-index.ts')).makeIndex(binary, options),
  );

program
  .command('inspect')
  .description('identity, build info and symbols of a binary')
  .argument('<binary>', 'a file or a dSYM bundle')
  .addOption(archOption())
  .option('--json', 'as JSON')
  .action(async (binary: string, options: InspectOptions) => (await import('./inspect.ts')).inspect(binary, options));

const store = program.command('store').description('the archive of binaries');

store
  .command('add')
  .description('add binaries; directories are searched')
  .argument('[path...]')
  .option(
    '--pid <n>',
    'the program and libraries of a running process, also deleted ones, and the vdso; may be repeated (Linux)',
    collect,
  )
  .addOption(storeOption())
  .option('--json', 'what was added, as JSON')
  .action(async (paths: string[], options: AddOptions) => (await import('./store.ts')).add(paths, options));

store
  .command('push')
  .description('send binaries to the archive of a server; directories are searched')
  .argument('<path...>')
  .option('--server <url>', 'the server (default: $RESYM_SERVER)')
  .option('--token <token>', 'what lets you in (better: $RESYM_TOKEN)')
  .option('--name <name>', "the program's name, when the file is called otherwise")
  .option('--ca <file>', "certificates that the server's is checked against, PEM")
  .option('--cert <file>', 'a certificate to be known by, PEM')
  .option('--key <file>', 'its key')
  .option('--json', 'what was sent, as JSON')
  .action(async (paths: string[], options: PushOptions) => (await import('./push.ts')).push(paths, options));

store
  .command('ls')
  .description('list the binaries')
  .option('--program <name>', 'those of this name')
  .option('--version <version>', 'those whose main module has this version')
  .option('--revision <commit>', 'those built from this commit, or one that begins so')
  .option('--id <prefix>', 'those with an ID that begins so')
  .addOption(storeOption())
  .option('--json', 'as JSON')
  .action(async (options: ListOptions) => (await import('./store.ts')).list(options));

store
  .command('show')
  .description('show one binary')
  .argument('<id>', 'a key or build ID, or the beginning of one')
  .addOption(storeOption())
  .option('--json', 'as JSON')
  .action(async (id: string, options: StoreOptions) => (await import('./store.ts')).show(id, options));

store
  .command('rm')
  .description('remove binaries')
  .argument('<id...>', 'keys or build IDs, or beginnings of them')
  .addOption(storeOption())
  .action(async (ids: string[], options: StoreOptions) => (await import('./store.ts')).remove(ids, options));

store
  .command('verify')
  .description('check every binary against what is recorded of it')
  .option('--quarantine', 'move what is damaged out of the way: a good copy can then be added')
  .addOption(storeOption())
  .option('--json', 'as JSON')
  .action(async (options: VerifyOptions) => (await import('./store-care.ts')).verify(options));

store
  .command('gc')
  .description('remove old builds that are not pinned, and what was abandoned')
  .option('--max-age <time>', 'builds neither added nor used for so long: 90d, 12h, 2w')
  .option('--keep <n>', 'of each program, all but the n builds added or used last')
  .option('--quota <size>', 'the oldest until all are no more than so much: 200GB, 1.5TiB')
  .option('--dry-run', 'only say what would be removed')
  .addOption(storeOption())
  .option('--json', 'as JSON')
  .action(async (options: GcOptions) => (await import('./store-care.ts')).gc(options));

for (const [name, isPinned, what] of [
  ['pin', true, 'keep builds whatever their age: gc leaves them alone'],
  ['unpin', false, 'leave builds to gc again'],
] as const) {
  store
    .command(name)
    .description(what)
    .argument('<id...>', 'keys or build IDs, or beginnings of them')
    .addOption(storeOption())
    .action(async (ids: string[], options: StoreOptions) =>
      (await import('./store-care.ts')).pin(ids, isPinned, options),
    );
}

program
  .command('token')
  .description('make a token that lets somebody in')
  .option('--name <name>', 'what the log calls it', 'token')
  .option('--scopes <scopes>', 'what it is for: read,symbolize,upload,capture,admin', 'read,symbolize')
  .action(async (options: TokenOptions) => (await import('./token.ts')).makeToken(options));

program
  .command('demo')
  .description('a stripped service, its archive and the proxy, ready for pprof')
  .option('--port <port>', 'port of the proxy (default: 7070, or the next free one)')
  .option('--once', 'print the table and leave')
  .action(async (options: DemoOptions) => (await import('./demo.ts')).demo(options));

for (const command of [program, ...program.commands, ...store.commands]) command.exitOverride();

/** A closed pipe is how `resym lookup ... | head` ends. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else if (error instanceof UsageError) {
    process.stderr.write(`resym: ${error.message}\n`);
    process.exitCode = EXIT_USAGE;
  } else {
    process.stderr.write(`resym: ${messageOf(error)}\n`);
    if (process.env['RESYM_DEBUG']) process.stderr.write(`${(error as Error).stack}\n`);
    process.exitCode = 1;
  }
}
