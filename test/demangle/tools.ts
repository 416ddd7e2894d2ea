/** The other demanglers of the machine. */
import { spawnSync } from 'node:child_process';

/** The first of the commands that is there, null if none is. */
export function firstTool(commands: readonly string[]): string | null {
  return commands.find((command) => spawnSync(command, ['--version']).status === 0) ?? null;
}

/** llvm-cxxfilt, the newest known first. */
export function llvmCxxfilt(): string | null {
  const versions = [23, 22, 21, 20, 19].map((version) => `llvm-cxxfilt-${version}`);
  return firstTool(versions);
}

export function gnuCxxfilt(): string | null {
  return firstTool(['c++filt']);
}

/** What a filter makes of lines. */
export function filtered(command: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const run = spawnSync(command, [], { input: `${lines.join('\n')}\n`, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(`${command}: ${run.stderr}`);
  return run.stdout.split('\n').slice(0, lines.length);
}

/** c++filt's text in llvm-cxxfilt's spacing. */
export function withoutSpaces(gnu: string): string {
  return gnu.replaceAll('> >', '>>').replaceAll('> >', '>>');
}

/** A symbol without the suffix of a clone. */
export function withoutSuffix(symbol: string): string {
  const dot = symbol.indexOf('.');
  return dot < 0 ? symbol : symbol.slice(0, dot);
}

const RUST_HASH = /17h[0-9a-f]{16}E(?:\.|$)/;

export function isCxx(symbol: string): boolean {
  return symbol.startsWith('_Z') && !RUST_HASH.test(symbol);
}

export function isRust(symbol: string): boolean {
  return symbol.startsWith('_R') || (symbol.startsWith('_ZN') && RUST_HASH.test(symbol));
}
