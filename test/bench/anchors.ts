/**
 * What resym is measured against, found on the machine or built once. An anchor that cannot be had is a `Missing` with the reason.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { googlePprofPath } from '../support/google-pprof.ts';
import { machineGo, tool, toolchains, type Toolchain } from '../support/toolchains.ts';
import { beside, Missing, once, sourceKey } from './cache.ts';
import { cleanEnv, type Command, exec } from './measure.ts';

/** Seconds a build may take. */
const BUILD_LIMIT = 600;

/** The go everything is built with: the machine's, else the newest of the tests' toolchains. */
export function go(): Toolchain | Missing {
  return machineGo() ?? toolchains().at(-1) ?? new Missing('needs go');
}

/** "go1.26.8" */
export async function goVersion(found: Toolchain): Promise<string> {
  const { stdout } = await exec(found.go, ['env', 'GOVERSION'], { env: found.env });
  return stdout.trim();
}

/** google/pprof as it is installed by `go install`, with llvm-symbolizer 19 as the only one on its PATH. */
export async function googlePprof(profile: string, binary: string, output: string): Promise<Command | Missing> {
  const symbolizer = llvm('llvm-symbolizer');
  if (symbolizer instanceof Missing) return symbolizer;
  const path = await attempt('google/pprof', async () => {
    const found = go();
    return found instanceof Missing ? found : await googlePprofPath(found);
  });
  if (path instanceof Missing) return path;
  const tools = await once('llvm-tools', symbolizer, (dir) => {
    mkdirSync(dir, { recursive: true });
    symlinkSync(symbolizer, join(dir, 'llvm-symbolizer'));
  });
  const env = { PATH: `${tools}:${cleanEnv().PATH ?? ''}`, PPROF_TMPDIR: tools };
  return { argv: [path, ...PPROF_ARGS, `-output=${output}`, binary, profile], env };
}

/** `go tool pprof`: Go's own tables, no inlined calls. */
export async function goToolPprof(profile: string, binary: string, output: string): Promise<Command | Missing> {
  const found = go();
  if (found instanceof Missing) return found;
  const path = await attempt('go tool pprof', async () => {
    // The tool itself, not the go command in front of it, which would be charged to pprof.
    const { stdout } = await exec(found.go, ['tool', '-n', 'pprof'], { env: found.env });
    return stdout.trim();
  });
  if (path instanceof Missing) return path;
  return { argv: [path, ...PPROF_ARGS, `-output=${output}`, binary, profile], env: found.env };
}

const PPROF_ARGS = ['-proto', '-symbolize=force'];

/** A command of LLVM 19, the version the figures are stated against. */
export function llvm(name: string): string | Missing {
  return tool(`${name}-19`) ?? new Missing(`needs ${name}-19`);
}

/** llvm-symbolizer over a file of addresses. */
export function llvmSymbolizer(file: string, addresses: string, output: string): Command | Missing {
  const path = llvm('llvm-symbolizer');
  if (path instanceof Missing) return path;
  return { argv: [path, '--inlines', `--obj=${file}`], stdin: addresses, stdout: output };
}

/** gimli's addr2line, the crate, in a program of ours: programs/gimli. */
export async function gimli(): Promise<string | Missing> {
  return attempt('gimli', async () => {
    const dir = await cargoBuild('release');
    return dir instanceof Missing ? dir : join(dir, 'gimli-lookup');
  });
}

/** Builds programs/gimli in a profile of its Cargo.toml; the directory with the program. */
export async function cargoBuild(profile: 'release' | 'described'): Promise<string | Missing> {
  const cargo = tool('cargo');
  if (cargo === null) return new Missing('needs cargo');
  const manifest = beside('programs/gimli/Cargo.toml');
  const key = [sourceKey(manifest, beside('programs/gimli/Cargo.lock'), beside('programs/gimli/src/main.rs')), profile];
  const dir = await once(`gimli-${profile}`, key, async (work) => {
    const args = ['build', '--locked', '--quiet', '--profile', profile, '--manifest-path', manifest];
    await exec(cargo, [...args, '--target-dir', work], { maxBuffer: 64 << 20, timeout: BUILD_LIMIT * 1000 });
  });
  return join(dir, profile);
}

/** A program of programs/go. */
export async function goProgram(name: 'parsewrite' | 'callers'): Promise<string | Missing> {
  return attempt(name, async () => {
    const found = go();
    if (found instanceof Missing) return found;
    const dir = beside('programs/go');
    const key = [sourceKey(join(dir, 'go.mod'), join(dir, name, 'main.go')), await goVersion(found)];
    const made = await once(name, key, async (work) => {
      // callers calls what the runtime means for runtime/pprof alone.
      await goBuild(found, ['-ldflags=-checklinkname=0', '-o', join(work, name), `./${name}`], dir, {
        CGO_ENABLED: '0',
      });
    });
    return join(made, name);
  });
}

/** `go build`; rejects with the compiler's words. */
export async function goBuild(
  found: Toolchain,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const options = { cwd, env: { ...found.env, ...env }, maxBuffer: 64 << 20, timeout: 2 * BUILD_LIMIT * 1000 };
  await exec(found.go, ['build', '-buildvcs=false', ...args], options);
}

async function attempt(name: string, make: () => Promise<string | Missing>): Promise<string | Missing> {
  try {
    return await make();
  } catch (error) {
    return new Missing(`${name} could not be built: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`);
  }
}
