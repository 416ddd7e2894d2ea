/**
 * GoSymbols against the Go runtime itself: programs of test/fixtures/go/oracle are built with every toolchain at hand, in every
 * build mode, and asked inside the process what runtime.CallersFrames says about tens of thousands of addresses.
 *
 * The differences that are not ours, by class; everything else must be equal:
 *
 *   padding       between functions. The runtime names the function before, with file "?" and line 0; we say nothing.
 *   no tables     C code linked into the function table: a name without lines. The runtime's file "?" is our "".
 *   next function the last byte before a function, asked as "call pc" (pc + 1 is handed in). The runtime takes pc + 1 for the
 *                 entry of the next function and answers for that one.
 *   name 0        the function whose name offset is 0; the runtime takes that for "no name".
 *   outer wrapper up to Go 1.20 the expansion used here keeps the outermost frame though it is a wrapper; stacks do not.
 *   start lines   up to Go 1.20 the runtime does not give them away: not compared.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import type { GoFrame } from '../../src/gosym/frame.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { openObject } from '../../src/object/open.ts';
import { buildC, buildGo, cached, type GoBuild } from '../support/build.ts';
import { GO_VERSIONS, needsGo, needsTools, toolchain, type Toolchain } from '../support/toolchains.ts';
import { boundaries } from './boundaries.ts';

const run = promisify(execFile);
const dir = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));

/** Compared when a machine happens to have them; the others are asked for and skipped by name. (1.14 dies when asked about padding.) */
const EXTRA_VERSIONS = ['1.16', '1.17', '1.18', '1.20', '1.22'];

interface Mode {
  readonly name: string;
  /** Addresses from the tables, and random ones. */
  readonly addresses: readonly [number, number];
  readonly tools: readonly string[];
  /** All, unless given. */
  readonly versions?: readonly string[];
  /** Builds, and returns the file to read, and the command that answers: program and first arguments. */
  build(go: Toolchain): Promise<{ file: string; command: readonly string[] }>;
  readonly anchor: string;
}

const ANCHOR = 'example.com/oracle/answer.Anchor';
const plain = (options: Omit<GoBuild, 'toolchain' | 'dir'>) => async (go: Toolchain) => {
  const file = await buildGo({ toolchain: go, dir, ...options });
  return { file, command: [file] };
};

const MODES: readonly Mode[] = [
  {
    name: 'exe',
    addresses: [50_000, 10_000],
    tools: [],
    anchor: ANCHOR,
    build: plain({ mode: 'exe', tags: ['bulk'] }),
  },
  {
    name: 'exe -s -w',
    addresses: [15_000, 5_000],
    tools: [],
    anchor: ANCHOR,
    build: plain({ mode: 'exe', tags: ['bulk'], strip: 's-w' }),
  },
  {
    name: 'pie -trimpath -s -w',
    addresses: [15_000, 5_000],
    tools: [],
    anchor: ANCHOR,
    build: plain({ mode: 'pie', strip: 's-w', trimpath: true }),
  },
  {
    // Both word sizes run on amd64.
    name: 'exe 386',
    addresses: [15_000, 5_000],
    tools: [],
    versions: ['1.15', '1.19', '1.26'],
    anchor: ANCHOR,
    build: plain({ mode: 'exe', env: { GOARCH: '386' } }),
  },
  {
    name: 'cgo, linked by Go',
    addresses: [15_000, 5_000],
    tools: ['gcc'],
    anchor: ANCHOR,
    build: plain({ mode: 'cgo', package: 'cgostd', strip: 's-w' }),
  },
  {
    name: 'cgo',
    addresses: [15_000, 5_000],
    tools: ['gcc'],
    anchor: ANCHOR,
    build: plain({ mode: 'cgo', package: 'cgo' }),
  },
  {
    name: 'cgo pie, stripped',
    addresses: [15_000, 5_000],
    tools: ['gcc', 'strip'],
    anchor: ANCHOR,
    build: plain({ mode: 'cgo-pie', package: 'cgo', strip: 'strip' }),
  },
  {
    name: 'c-shared',
    addresses: [15_000, 5_000],
    tools: ['gcc'],
    anchor: ANCHOR,
    build: async (go) => {
      const file = await buildGo({ toolchain: go, dir, mode: 'c-shared', package: 'clib' });
      const flags = [file, `-Wl,-rpath,${dirname(file)}`];
      return { file, command: [await buildC({ sources: [join(dir, 'chost/host.c')], flags, name: 'host' })] };
    },
  },
  {
    name: 'c-archive in a C program',
    addresses: [15_000, 5_000],
    tools: ['gcc'],
    anchor: ANCHOR,
    build: async (go) => {
      const archive = await buildGo({ toolchain: go, dir, mode: 'c-archive', package: 'clib' });
      const flags = [archive, '-lpthread', '-lresolv'];
      const file = await buildC({ sources: [join(dir, 'chost/host.c')], flags, name: 'host' });
      return { file, command: [file] };
    },
  },
  {
    name: 'plugin',
    addresses: [15_000, 5_000],
    tools: ['gcc'],
    anchor: 'example.com/oracle/plug.Anchor',
    build: async (go) => {
      const file = await buildGo({ toolchain: go, dir, mode: 'plugin', package: 'plug' });
      const host = await buildGo({ toolchain: go, dir, mode: 'cgo', package: 'plughost' });
      return { file, command: [host, file] };
    },
  },
];

for (const version of [...GO_VERSIONS, ...EXTRA_VERSIONS.filter((extra) => toolchain(extra) !== null)]) {
  const minor = Number(version.split('.')[1]);
  for (const mode of MODES) {
    if (mode.versions?.includes(version) === false) continue;
    const skip = needsGo(version) || needsTools(...mode.tools) || (mode.name === 'exe 386' && needs386());
    test(`as the runtime says: go ${version} ${mode.name}`, { skip }, async (t) => {
      const { file, command } = await mode.build(toolchain(version)!);
      const symbols = GoSymbols.open(openObject(new BufferSource(readFileSync(file))));
      assert.ok(symbols);
      const addresses = boundaries(symbols, ...mode.addresses);
      const said = await answers(symbols, mode.anchor, file, command, addresses);
      const counts = compare(symbols, addresses, said, minor);
      t.diagnostic(`${addresses.length} addresses: ${JSON.stringify(counts)}`);
      // The classes must stay what they are: exceptions, in a comparison that finds frames.
      assert.ok(counts.equal > addresses.length * 0.8, 'most addresses are in code');
      assert.ok(counts.inlined > 1000, 'many are in inlined code');
      assert.ok(counts['next function'] + counts['name 0'] < addresses.length * 0.1);
    });
  }
}

function needs386(): string | false {
  return process.platform === 'linux' && process.arch === 'x64' ? false : 'needs linux on amd64';
}

/** The process's answer to each address. Kept, gzipped, beside the builds. */
async function answers(
  symbols: GoSymbols,
  anchor: string,
  file: string,
  command: readonly string[],
  addresses: readonly number[],
): Promise<GoFrame[][]> {
  let entry = -1;
  for (let i = 0; i < symbols.functionCount && entry < 0; i++) {
    if (symbols.functionName(i) === anchor) entry = symbols.functionStart(i);
  }
  assert.ok(entry > 0, `${anchor} is in the table`);
  const input = addresses.map((address) => `${address - entry}\n`).join('');
  const key = createHash('sha256')
    .update(JSON.stringify([command, file]))
    .update(input)
    .digest('hex');
  const path = await cached(key, 'answers.gz', async (output) => {
    writeFileSync(`${output}.in`, input);
    await run(command[0], [...command.slice(1), `${output}.in`, `${output}.out`]);
    writeFileSync(output, gzipSync(readFileSync(`${output}.out`), { level: 1 }));
  });
  return parse(gunzipSync(readFileSync(path)).toString());
}

function parse(text: string): GoFrame[][] {
  const strings: string[] = [];
  const answers: GoFrame[][] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('S')) strings.push(line.slice(2));
    else if (line.startsWith('A')) {
      const fields = line.slice(2).split(' ');
      answers.push(
        fields[0] === ''
          ? []
          : fields.map((field) => {
              const [name, file, at, startLine] = field.split(',').map(Number);
              return { function: strings[name], file: strings[file], line: at, startLine };
            }),
      );
    }
  }
  return answers;
}

type Class = 'equal' | 'inlined' | 'padding' | 'no tables' | 'next function' | 'name 0' | 'outer wrapper';

/** How many addresses are of which class. Fails on the first that is of none. */
function compare(
  symbols: GoSymbols,
  addresses: readonly number[],
  said: readonly GoFrame[][],
  minor: number,
): Record<Class, number> {
  const counts = {
    equal: 0,
    inlined: 0,
    padding: 0,
    'no tables': 0,
    'next function': 0,
    'name 0': 0,
    'outer wrapper': 0,
  };
  assert.equal(said.length, addresses.length);
  const startLines = minor > 20;
  const first = nameZero(symbols);
  addresses.forEach((address, i) => {
    const ours = symbols.frames(address);
    const runtime = said[i].map((frame) => (frame.file === '?' && frame.line === 0 ? { ...frame, file: '' } : frame));
    const kind = classify(ours, runtime);
    if (kind === null) {
      assert.deepEqual({ address: address.toString(16), ours }, { address: address.toString(16), ours: runtime });
    } else counts[kind]++;
    if (kind === 'equal' && runtime.length > 1) counts.inlined++;

    function classify(ours: readonly GoFrame[] | null, runtime: readonly GoFrame[]): Class | null {
      if (ours !== null && same(ours, runtime)) return ours[0].file === '' ? 'no tables' : 'equal';
      const of = symbols.findFunction(address);
      if (of >= 0 && address + 1 === symbols.functionEnd(of)) {
        const next = symbols.frames(address + 1);
        if (next === null && (runtime.length === 0 || runtime[0].file === '')) return 'next function';
        // The next function's name and line; its callers, or this function's, or none, where a call was inlined.
        for (const callers of [next?.slice(1) ?? [], ours?.slice(1) ?? [], []]) {
          const answer = next === null ? [] : [next[0], ...callers];
          if (answer.length > 0 && (same(answer, runtime) || same(named(answer), runtime))) return 'next function';
        }
      }
      if (ours === null) return runtime.length === 1 && runtime[0].file === '' ? 'padding' : null;
      if (same(named(ours), runtime)) return 'name 0';
      if (minor <= 20 && ours.length === runtime.length - 1 && same(ours, runtime.slice(0, -1))) return 'outer wrapper';
      return null;
    }
  });
  return counts;

  function same(a: readonly GoFrame[], b: readonly GoFrame[]): boolean {
    return (
      a.length === b.length &&
      a.every(
        (frame, i) =>
          frame.function === b[i].function &&
          frame.file === b[i].file &&
          frame.line === b[i].line &&
          (!startLines || frame.startLine === b[i].startLine),
      )
    );
  }

  /** The frames as the runtime names them: without the name at offset 0. */
  function named(frames: readonly GoFrame[]): GoFrame[] {
    return frames.map((frame) => (frame.function === first ? { ...frame, function: '' } : frame));
  }
}

/** The name at offset 0 of the name table. */
function nameZero(symbols: GoSymbols): string | null {
  const { header, table } = symbols;
  return header.layout.separateTables ? table.cstring(header.funcname, header.cu) : null;
}
