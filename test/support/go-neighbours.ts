/**
 * Pairs of builds of one Go program with C in it, which differ as releases do: a line, a function, a comment, a dependency, a
 * patch release of Go. The program profiles itself.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Toolchain } from './toolchains.ts';

const exec = promisify(execFile);

/** `c` is an edit of the C code, all others leave it as it is. */
export const GO_EDITS = ['line', 'comment', 'function', 'main', 'dependency', 'constant', 'c', 'release'] as const;
export type GoEdit = (typeof GO_EDITS)[number];

/** Functions of a package; the edited one gets a line, a comment or another constant. */
interface PackageEdit {
  readonly edited: number;
  readonly edit: GoEdit | null;
}

function packageSource(name: string, functions: number, { edited, edit }: PackageEdit): string {
  const parts = [`package ${name}`, '', 'var Sum uint64', ''];
  for (let i = 0; i < functions; i++) {
    const here = i === edited ? edit : null;
    if (here === 'comment') parts.push('// Said in another way since.');
    if (here === 'function') parts.push('//go:noinline', 'func added(n uint64) uint64 { return n*n + 7 }', '');
    parts.push(
      ...(i % 3 === 2 ? [] : ['//go:noinline']),
      `func F${i}(n uint64) uint64 {`,
      `	total := n * ${here === 'constant' ? 999_331 : 1000 + i}`,
      ...(here === 'function' ? ['	total += added(n)'] : []),
      ...(here === 'line' ? ['	if n%5 == 2 {', '		total ^= n << 3', '	}'] : []),
      `	for k := uint64(0); k < ${40 + i}; k++ {`,
      `		total = total*${31 + i} ^ k`,
      '	}',
      '	Sum += total',
      i === 0 ? '	return total' : `	return total + F${i - 1}(n+1)`,
      '}',
      '',
    );
  }
  return parts.join('\n');
}

function cSource(isEdited: boolean): string {
  return `
#include <pthread.h>
#include <stdint.h>
static inline uint64_t mix(uint64_t n, uint64_t k) { return n * 6364136223846793005ull + (k ^ (n >> 29)); }
__attribute__((noinline)) uint64_t c_first(uint64_t n) {
  ${isEdited ? 'for (int j = 0; j < 3; j++) n = (n << 7) ^ (n >> 3) ^ j; if (n % 11 == 3) n += 5;' : ''}
  for (int i = 0; i < 300; i++) n = mix(n, i);
  return n;
}
__attribute__((noinline)) uint64_t c_second(uint64_t n) {
  for (int i = 0; i < 400; i++) { n = mix(n, i); if (n & 64) n ^= n >> 17; }
  return n;
}
__attribute__((noinline)) uint64_t c_third(uint64_t n) {
  for (int i = 0; i < 500; i++) n = mix(n >> 1, i) + (n / (uint64_t)(i + 3));
  return n;
}
uint64_t c_burn(uint64_t n) { return c_first(n) + c_second(n) + c_third(n); }
static void *forever(void *n) {
  for (volatile uint64_t sum = (uint64_t)(uintptr_t)n;;) sum += c_burn(sum);
  return 0;
}
void c_start(void) {
  pthread_t thread;
  pthread_create(&thread, 0, forever, 0);
}
`;
}

const MAIN = (isEdited: boolean): string => `package main

// #include <stdint.h>
// #cgo LDFLAGS: -lpthread
// uint64_t c_burn(uint64_t n);
// void c_start(void);
import "C"

import (
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"example.com/neighbour/dep"
	"example.com/neighbour/early"
	"example.com/neighbour/late"
)

func main() {
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	runtime.SetCPUProfileRate(500)
	os.Stderr.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		panic(err)
	}
	C.c_start()
	work(time.Now().Add(400 * time.Millisecond))
	pprof.StopCPUProfile()
	file.Close()
}

func work(until time.Time) {
	n := uint64(len(os.Args))
	for time.Now().Before(until) {
		${isEdited ? 'if n%7 == 0 {\n\t\t\tn += 3\n\t\t}' : ''}
		n += uint64(C.c_burn(C.uint64_t(n)))
		n += early.F9(n) + late.F9(n) + dep.F9(n)
	}
	late.Sum += n
}
`;

/** Writes the program's sources; @param edit null for the program as it was. */
function writeSources(dir: string, edited: number, edit: GoEdit | null): void {
  const put = (path: string, text: string): void => {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const inPackage = (name: string): PackageEdit => {
    const wanted = edit === 'dependency' ? 'dep' : edited % 2 === 0 ? 'early' : 'late';
    return { edited: edited % 10, edit: name === wanted ? (edit === 'dependency' ? 'line' : edit) : null };
  };
  put(
    'go.mod',
    'module example.com/neighbour\n\ngo 1.15\n\nrequire example.com/neighbour/dep v1.0.0\n\nreplace example.com/neighbour/dep => ./dep\n',
  );
  put('main.go', MAIN(edit === 'main'));
  put('burn.c', cSource(edit === 'c'));
  for (const name of ['early', 'late']) put(`${name}/${name}.go`, packageSource(name, 10, inPackage(name)));
  put('dep/go.mod', 'module example.com/neighbour/dep\n\ngo 1.15\n');
  put('dep/dep.go', packageSource('dep', 10, inPackage('dep')));
}

/** Builds the program without a GNU build ID. The directory's name is the same for all, as in CI. */
async function build(go: Toolchain, dir: string, output: string): Promise<void> {
  const flags = ['-trimpath', '-ldflags=-extldflags=-Wl,--build-id=none -B none'];
  const isOld = /^1\.1[0-9]$|^1\.2[0-3]$/.test(go.version);
  if (isOld) flags[1] = '-ldflags=-extldflags=-Wl,--build-id=none';
  const env = { ...go.env, CGO_ENABLED: '1', CGO_CFLAGS: '-O2 -g' };
  await exec(go.go, ['build', ...flags, '-o', output, '.'], { cwd: dir, env, timeout: 120_000 });
}

export interface Pair {
  /** The build that ran, and the neighbour. */
  readonly right: string;
  readonly wrong: string;
  /** What `right` wrote of itself: without a build ID. */
  readonly profile: string;
}

/** @param other the toolchain of the neighbour, for the edit `release` */
export async function goNeighbours(
  dir: string,
  seed: number,
  edit: GoEdit,
  go: Toolchain,
  other: Toolchain,
): Promise<Pair> {
  const sources = [join(dir, 'a', 'src'), join(dir, 'b', 'src')];
  writeSources(sources[0], seed, null);
  if (edit === 'release') cpSync(sources[0], sources[1], { recursive: true });
  else writeSources(sources[1], seed, edit);
  const [right, wrong] = [join(dir, 'a', 'neighbour'), join(dir, 'b', 'neighbour')];
  await build(go, sources[0], right);
  await build(edit === 'release' ? other : go, sources[1], wrong);
  const profile = join(dir, 'cpu.pb.gz');
  await exec(right, [profile], { timeout: 30_000 });
  return { right, wrong, profile };
}
