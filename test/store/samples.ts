/** Real binaries for the store's tests, and places to put them. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after } from 'node:test';
import { buildC } from '../support/build.ts';

const BIN = fileURLToPath(new URL('../fixtures/go/bin', import.meta.url));

/** Go 1.26: one program linked as it is and with -s -w. Different build IDs, the same .gopclntab. */
export const TWIN_FULL = join(BIN, 'tiny-go1.26-linux-amd64.unstripped');
export const TWIN_STRIPPED = join(BIN, 'tiny-go1.26-linux-amd64');
/** No GNU build ID: Go wrote none before 1.24. */
export const NO_GNU_ID = join(BIN, 'tiny-go1.15-linux-amd64');
/** One build, two contents. */
export const PIE = join(BIN, 'tiny-go1.24-linux-amd64-pie');
export const PIE_ALTERED = join(BIN, 'tiny-go1.24-linux-amd64-pie-zeroed-relocs');
export const GO_124 = join(BIN, 'tiny-go1.24-linux-amd64');
const TWIN_FULL_GNU = '8809ce5b7dbbe9f35ea20e0f8e2a4de317063065';
const GO_124_GNU = '42d38f693e731499471cea9620cb83b37260af18';

/** A directory of the test file's own, removed after it. */
export const work = mkdtempSync(join(tmpdir(), 'resym-store-'));
after(() => rmSync(work, { recursive: true, force: true }));

let places = 0;

/** A new path below `work`; nothing is there yet. */
export function place(name = 'store'): string {
  return join(work, `${places++}-${name}`);
}

/** Copies a file, making directories. */
export function copy(from: string, to: string): string {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
  return to;
}

/**
 * Writes a Go binary of its own build ID, and returns that: as many different binaries as a test wants. `full` has DWARF
 * and 2 MB, the other kind neither; those with the same number have the same ID.
 */
export function variant(path: string, number: number, kind: 'stripped' | 'full' = 'stripped'): string {
  const bytes = readFileSync(kind === 'full' ? TWIN_FULL : GO_124);
  const other = Buffer.from(GO_124_GNU, 'hex');
  other.writeUInt32BE(number, 0);
  other.copy(bytes, bytes.indexOf(Buffer.from(kind === 'full' ? TWIN_FULL_GNU : GO_124_GNU, 'hex')));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return other.toString('hex');
}

export interface CProgram {
  readonly full: string;
  /** objcopy --only-keep-debug */
  readonly debug: string;
  /** No symbols at all. */
  readonly stripped: string;
  /** -g removed, symbol table kept. */
  readonly symtabOnly: string;
  /** As readelf prints it. */
  readonly gnu: string;
}

/** Needs gcc, objcopy, strip, readelf. */
export async function cProgram(flags: readonly string[] = []): Promise<CProgram> {
  const source = place('program.c');
  writeFileSync(
    source,
    'static int __attribute__((noinline)) deep(int x) { return x * 3; }\n' +
      'int __attribute__((noinline)) shallow(int x) { return deep(x) + 1; }\n' +
      'int main(int n, char **v) { return shallow(n); }\n',
  );
  const full = copy(
    await buildC({ sources: [source], flags: ['-Wl,--build-id=sha1', '-no-pie', ...flags], name: 'program' }),
    place('program'),
  );
  const made = (name: string, tool: string, ...args: string[]): string => {
    const target = copy(full, place(name));
    execFileSync(tool, [...args, target]);
    return target;
  };
  const notes = execFileSync('readelf', ['-n', full], { encoding: 'utf8' });
  return {
    full,
    debug: made('program.debug', 'objcopy', '--only-keep-debug'),
    stripped: made('program.stripped', 'strip'),
    symtabOnly: made('program.symtab', 'strip', '--strip-debug'),
    gnu: /Build ID: ([0-9a-f]+)/.exec(notes)![1],
  };
}
