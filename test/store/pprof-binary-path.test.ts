/** The archive as google/pprof's own PPROF_BINARY_PATH: the real program must find the binaries in it. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openObject } from '../../src/object/open.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { FileSource } from '../../src/store/file.ts';
import { cached } from '../support/build.ts';
import { messageField, numberField, textField } from '../support/profile-model.ts';
import { machineGo, needsTools, toolchains } from '../support/toolchains.ts';
import { cProgram, type CProgram, copy, GO_124, place, TWIN_FULL } from './samples.ts';

const exec = promisify(execFile);
const ORACLE_MOD = fileURLToPath(new URL('../support/pprof-oracle/go.mod', import.meta.url));

/** Path of google/pprof, of the version the tests use elsewhere; a sentence when it cannot be had. */
async function buildPprof(): Promise<{ path: string } | { reason: string }> {
  const go = toolchains().at(-1) ?? machineGo();
  if (go === null) return { reason: 'needs go' };
  const version = /github\.com\/google\/pprof (v\S+)/.exec(fs.readFileSync(ORACLE_MOD, 'utf8'))![1];
  const key = createHash('sha256').update(`google/pprof ${version} ${go.version}`).digest('hex');
  try {
    const path = await cached(key, 'pprof', async (target) => {
      const env = { ...go.env, GOBIN: dirname(target), CGO_ENABLED: '0' };
      await exec(go.go, ['install', `github.com/google/pprof@${version}`], { env });
    });
    return { path };
  } catch (error) {
    return { reason: `needs google/pprof: ${String((error as { stderr?: string }).stderr ?? error).trim()}` };
  }
}

/** A profile of one sample at an address of a mapping, nothing named, as a perf converter writes it. */
function profileAt(binary: string, address: number, buildId: string): Uint8Array {
  const source = FileSource.open(binary);
  const text = openObject(source).segments.find(
    (segment) => segment.executable && address >= segment.address && address < segment.address + segment.size,
  )!;
  source.close();
  return Buffer.concat([
    messageField(1, numberField(1, 1), numberField(2, 2)), // sample_type samples/count
    messageField(2, numberField(1, 1), numberField(2, 1)), // sample
    messageField(
      3, // mapping
      numberField(1, 1),
      numberField(2, text.address),
      numberField(3, text.address + text.size),
      numberField(4, text.fileOffset),
      numberField(5, 3),
      numberField(6, 4),
    ),
    messageField(4, numberField(1, 1), numberField(2, 1), numberField(3, address)), // location
    ...['', 'samples', 'count', '/gone/since/program', buildId].map((text) => textField(6, text)),
  ]);
}

function addressOf(binary: string, symbol: string): number {
  const line = execFileSync('nm', [binary], { encoding: 'utf8' })
    .split('\n')
    .find((line) => line.endsWith(` ${symbol}`));
  return parseInt(line!, 16);
}

/** Runs pprof over it, with nothing but the store to find binaries in. */
async function run(
  pprof: string,
  args: readonly string[],
  profile: Uint8Array,
  binaryPath: string,
): Promise<{ stdout: string; stderr: string }> {
  const home = place('home');
  fs.mkdirSync(home);
  const path = join(home, 'profile.pb');
  fs.writeFileSync(path, profile);
  const env = { PATH: process.env.PATH, HOME: home, PPROF_TMPDIR: home, PPROF_BINARY_PATH: binaryPath };
  return exec(pprof, [...args, path], { env });
}

const skip = needsTools('gcc', 'objcopy', 'strip', 'readelf', 'nm', 'addr2line');

test(
  'google/pprof finds what was added, and of several files of a build the one that names most',
  { skip },
  async (t) => {
    const pprof = await buildPprof();
    if ('reason' in pprof) return t.skip(pprof.reason);
    const program = await cProgram();
    const profile = profileAt(program.full, addressOf(program.full, 'deep') + 1, program.gnu);

    const without = await run(pprof.path, ['-traces'], profile, place('nothing'));
    assert.doesNotMatch(without.stdout, /deep/, 'the test can fail');

    const orders: (keyof CProgram)[][] = [
      ['full'],
      ['debug', 'full'],
      ['full', 'debug'],
      ['symtabOnly', 'debug', 'full'],
    ];
    for (const order of orders) {
      const store = await DirectoryStore.open(place(), { create: true });
      await store.add(GO_124);
      for (const kind of order) await store.add(program[kind]);
      const { stdout, stderr } = await run(pprof.path, ['-traces'], profile, join(store.root, '.build-id'));
      assert.match(stdout, /\bdeep\b/, `${order.join()}: ${stdout}${stderr}`);
      assert.doesNotMatch(stderr, /mismatch|Local symbolization failed/, order.join());

      // Lines come from DWARF alone: the link must lead to a file that has it.
      const lines = await run(pprof.path, ['-top', '-lines'], profile, join(store.root, '.build-id'));
      assert.match(lines.stdout, /program\.c:1\b/, order.join());
    }
  },
);

test('google/pprof finds Go binaries by the GNU ID that Go gives them', { skip }, async (t) => {
  const pprof = await buildPprof();
  if ('reason' in pprof) return t.skip(pprof.reason);
  const store = await DirectoryStore.open(place(), { create: true });
  const { binary } = await store.add(TWIN_FULL);
  const profile = profileAt(TWIN_FULL, addressOf(TWIN_FULL, 'runtime.main') + 1, binary.key);
  const { stdout, stderr } = await run(pprof.path, ['-traces'], profile, join(store.root, '.build-id'));
  assert.match(stdout, /runtime\.main/, stderr);
  await store.remove(binary.key);
  const after = await run(pprof.path, ['-traces'], profile, join(store.root, '.build-id'));
  assert.doesNotMatch(after.stdout, /runtime\.main/);
});

test(
  'layouts that google/pprof fills are found in turn',
  { skip: needsTools('gcc', 'objcopy', 'strip', 'readelf') },
  async () => {
    const program = await cProgram();
    for (const path of [
      `${program.gnu}/program`,
      `${program.gnu.slice(0, 2)}/${program.gnu.slice(2)}.debug`,
      'usr/bin/program',
    ]) {
      const root = place();
      copy(program.full, join(root, path));
      const store = await DirectoryStore.open(root);
      assert.deepEqual(
        (await store.find({ gnu: program.gnu })).map((b) => b.path),
        [path],
      );
    }
  },
);
