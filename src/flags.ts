/** What flags and environment say, for every command. Precedence: flag, RESYM_* environment; then configuration file, default (config.ts). */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { docUrlProblem } from './rewrite/build-comments.ts';
import { parseSourceRule, type SourceRule } from './rewrite/source-map.ts';

/** A configuration that cannot be used: names the file, the line where there is one, and the field. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What the command line says; undefined = not said. */
export interface Flags {
  readonly config?: string;
  readonly listen?: string;
  readonly store?: string;
  readonly target?: readonly string[];
  readonly workers?: string;
  readonly anonymous?: string;
  readonly debuginfod?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** False when said so. */
  readonly identity?: boolean;
  readonly docUrl?: string;
  readonly sourceMap?: readonly string[];
}

/** What is written beside the names. */
export interface Output {
  readonly identity: boolean;
  /** "" for none. */
  readonly docUrl: string;
  readonly sourceMap: readonly SourceRule[];
}

/** More threads than any machine has a use for are a mistake. */
export const MAX_WORKERS = 256;

/** null = not said. Throws ConfigError. */
export function saidWorkers(flags: Flags, env: NodeJS.ProcessEnv): number | null {
  const text = flags.workers ?? env['RESYM_WORKERS'];
  if (text === undefined || text === '') return null;
  const workers = Number(text);
  if (/^\d+$/.test(text) && workers <= MAX_WORKERS) return workers;
  const where = flags.workers === undefined ? 'RESYM_WORKERS' : '--workers';
  throw new ConfigError(`${where} wants 0 to ${MAX_WORKERS}, not ${JSON.stringify(text)}`);
}

/** What flags, then environment say of it; nothing = not said. Throws ConfigError. */
export function saidOutput(flags: Flags, env: NodeJS.ProcessEnv): Partial<Output> {
  const url = flags.docUrl ?? env['RESYM_DOC_URL'];
  const rules = flags.sourceMap ?? env['RESYM_SOURCE_MAP']?.split(',').filter(Boolean);
  const identity = flags.identity === false ? 'false' : env['RESYM_IDENTITY'];
  if (identity !== undefined && !['true', 'false', ''].includes(identity)) {
    throw new ConfigError(`RESYM_IDENTITY wants true or false, not ${JSON.stringify(identity)}`);
  }
  return {
    ...(identity && { identity: identity === 'true' }),
    ...(url !== undefined && {
      docUrl: checkedDocUrl(url, flags.docUrl === undefined ? 'RESYM_DOC_URL' : '--doc-url'),
    }),
    ...(rules && {
      sourceMap: rules.map((rule) =>
        checkedRule(rule, flags.sourceMap === undefined ? 'RESYM_SOURCE_MAP' : '--source-map'),
      ),
    }),
  };
}

function checkedDocUrl(text: string, where: string): string {
  const problem = docUrlProblem(text);
  if (problem !== '') throw new ConfigError(`${where}: ${problem}`);
  return text;
}

function checkedRule(text: string, where: string): SourceRule {
  const rule = parseSourceRule(text);
  if (typeof rule === 'string') throw new ConfigError(`${where}: ${rule}`);
  return rule;
}

/** Where the archive is, as open-store.ts has it: flag or file, RESYM_STORE, XDG_DATA_HOME/resym, ~/.local/share/resym. */
export function archivePlace(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  return flag ?? env['RESYM_STORE'] ?? join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'resym');
}

/**
 * Debuginfod servers to ask for what the archive does not have; null = not said. DEBUGINFOD_URLS is not looked at: machines have it set for
 * their debuggers, and a profile's build IDs are told to nobody who was not named. Throws ConfigError.
 */
export function saidDebuginfod(flags: Pick<Flags, 'debuginfod'>, env: NodeJS.ProcessEnv): readonly string[] | null {
  const said = flags.debuginfod ?? env['RESYM_DEBUGINFOD']?.split(/[\s,]+/).filter(Boolean);
  for (const url of said ?? []) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new ConfigError(
        `--debuginfod wants URLs of http or https, not ${JSON.stringify(url.replace(/\/\/[^/@]*@/, '//***@'))}`,
      );
  }
  return said ?? null;
}

/** Where files from debuginfod servers are kept: XDG_CACHE_HOME/resym/debuginfod, ~/.cache/resym/debuginfod. */
export function debuginfodCache(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'resym', 'debuginfod');
}
