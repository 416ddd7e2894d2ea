/** Neighbouring builds: a library of made-up C functions, and the same after an edit. */
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { randomBelow } from './profile-model.ts';

const exec = promisify(execFile);

type Random = (n: number) => number;

export const EDITS = ['grown', 'moved', 'added', 'removed', 'several', 'flags', 'commented'] as const;
export type Edit = (typeof EDITS)[number];

/** A function of the library; it calls some of those before it. */
interface Source {
  readonly name: string;
  readonly lines: readonly string[];
}

function functionOf(random: Random, name: string, callable: readonly string[]): Source {
  const lines = Array.from({ length: 2 + random(9) }, () => statement(random, callable));
  return { name, lines };
}

function statement(random: Random, callable: readonly string[]): string {
  const callee = callable.length > 0 ? callable[random(callable.length)] : null;
  const n = 1 + random(4000);
  switch (random(callee === null ? 4 : 9)) {
    case 0:
      return `sink += n * ${n};`;
    case 1:
      return `for (int i = 0; i < n % ${n}; i++) sink ^= i << ${random(9)};`;
    case 2:
      return `if (sink & ${n}) sink -= ${n};`;
    case 3:
      return `sink = (sink * ${n}) >> ${1 + random(5)};`;
    case 4:
      return `if (n > ${random(9)}) hook(n, ${n});`;
    default:
      return `sink += ${callee}(n - ${n});`;
  }
}

function textOf(functions: readonly Source[]): string {
  const head = ['volatile int sink;', 'void (*hook)(int, int);'];
  const declared = functions.map(({ name }) => `int ${name}(int n);`);
  const defined = functions.map(({ name, lines }) =>
    [`__attribute__((noinline, visibility("hidden"))) int ${name}(int n) {`, ...lines, '  return sink;', '}', ''].join(
      '\n',
    ),
  );
  const all = functions.map(({ name }) => `  ${name}(n);`);
  // Declarations on one line: what is below keeps its line when a function is added.
  return [...head, declared.join(' '), ...defined, 'int run_all(int n) {', ...all, '  return sink;', '}', ''].join(
    '\n',
  );
}

function edited(random: Random, functions: readonly Source[], edit: Edit): Source[] {
  const changed = [...functions];
  const at = random(changed.length);
  const callable = functions.slice(0, at).map(({ name }) => name);
  switch (edit) {
    case 'grown': {
      const more = Array.from({ length: 1 + random(3) }, () => statement(random, callable));
      changed[at] = { name: changed[at].name, lines: [...changed[at].lines, ...more] };
      break;
    }
    case 'moved': {
      const [moved] = changed.splice(at, 1);
      changed.splice(random(changed.length + 1), 0, moved);
      break;
    }
    case 'added':
      changed.splice(at, 0, functionOf(random, 'added', callable));
      break;
    case 'removed': {
      const { name } = changed[at];
      const isCalled = functions.some(({ lines }) => lines.some((line) => line.includes(`${name}(`)));
      if (isCalled) changed[at] = { name, lines: changed[at].lines.slice(1) };
      else changed.splice(at, 1);
      break;
    }
    case 'several':
      return edited(random, edited(random, changed, 'grown'), 'moved');
    case 'commented':
      changed[at] = { name: changed[at].name, lines: ['/* now with', '   a comment */', ...changed[at].lines] };
      break;
    case 'flags':
      break;
  }
  return changed;
}

/** Compiles a library and its edited neighbour to two paths; the same seed gives the same two. */
export async function buildNeighbours(seed: number, edit: Edit, right: string, wrong: string): Promise<void> {
  const random = randomBelow(seed);
  const functions: Source[] = [];
  const count = [6, 25, 80, 250][random(4)];
  for (let i = 0; i < count; i++)
    functions.push(
      functionOf(
        random,
        `work_${i}`,
        functions.map(({ name }) => name),
      ),
    );
  const other = edited(random, functions, edit);
  const compile = (path: string, text: string, level: string) => {
    writeFileSync(`${path}.c`, text);
    return exec('gcc', ['-g', level, '-shared', '-fPIC', '-Wl,--build-id', `${path}.c`, '-o', path]);
  };
  await compile(right, textOf(functions), '-O2');
  await compile(wrong, textOf(other), edit === 'flags' ? '-O1' : '-O2');
}

export interface Code {
  /** Link-time addresses of instructions, ascending, and of those that follow a call. */
  readonly instructions: readonly number[];
  readonly afterCalls: readonly number[];
  /** The executable segment. */
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** A library's code as the disassembler sees it. */
export function codeOf(path: string): Code {
  const output = (command: string, ...args: string[]) =>
    execFileSync(command, args, { encoding: 'latin1', maxBuffer: 1 << 28 });
  const instructions: number[] = [];
  const afterCalls: number[] = [];
  let isAfterCall = false;
  for (const line of output('objdump', '-d', '--section=.text', '--no-show-raw-insn', path).split('\n')) {
    const found = /^\s+([0-9a-f]+):\t(\S+)/.exec(line);
    if (found === null) continue;
    const address = parseInt(found[1], 16);
    instructions.push(address);
    if (isAfterCall) afterCalls.push(address);
    isAfterCall = found[2].startsWith('call');
  }
  const load = /LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x\w+ 0x(\w+) R E/.exec(output('readelf', '-lW', path));
  if (load === null) throw new Error(`${path} has no code segment`);
  const [offset, address, size] = load.slice(1).map((hex) => parseInt(hex, 16));
  return { instructions, afterCalls, offset, address, size };
}
