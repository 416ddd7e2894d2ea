/**
 * Every option once: name, type, default, environment variable, meaning. Precedence: flag, RESYM_* environment,
 * configuration file, default.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { LineCounter, parseDocument } from 'yaml';
import { docUrlProblem } from './rewrite/build-comments.ts';
import { parseSourceRule, type SourceRule } from './rewrite/source-map.ts';

/** A configuration that cannot be used: names the file, the line where there is one, and the field. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const Seconds = v.pipe(v.number(), v.minValue(0), v.maxValue(86_400));

/** A template: see rewrite/build-comments.ts. */
const DocUrl = v.pipe(
  v.string(),
  v.check(
    (text) => docUrlProblem(text) === '',
    ({ input }) => docUrlProblem(input),
  ),
);

/** `FROM=TO`: see rewrite/source-map.ts. */
const SourceRuleText = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const rule = parseSourceRule(dataset.value);
    if (typeof rule !== 'string') return rule;
    addIssue({ message: rule });
    return NEVER;
  }),
);

const TargetSchema = v.strictObject({
  /** Base URL of the service; `/debug/pprof` is appended to its path. */
  url: v.pipe(v.string(), v.url()),
  /** Sent upstream as `Authorization: Bearer`. */
  token: v.optional(v.string()),
  /** Sent upstream with every request. */
  headers: v.optional(v.record(v.string(), v.string())),
  /** Passes the client's own Authorization header upstream. */
  forwardAuthorization: v.optional(v.boolean(), false),
  tls: v.optional(
    v.strictObject({
      ca: v.optional(v.string()),
      cert: v.optional(v.string()),
      key: v.optional(v.string()),
      insecure: v.optional(v.boolean(), false),
    }),
  ),
  /** Binaries to try for this target before the archive: for builds without a build ID. */
  binaries: v.optional(v.array(v.string()), []),
  /** As below, for this target alone. */
  identity: v.optional(v.boolean()),
  docUrl: v.optional(DocUrl),
  sourceMap: v.optional(v.array(SourceRuleText)),
});

/** More threads than any machine has a use for are a mistake. */
const MAX_WORKERS = 256;
/** Of threads nobody asked for: each keeps binaries warm, some 50 MB of its own. */
const DEFAULT_MAX_WORKERS = 4;

const FileSchema = v.strictObject({
  /** host:port. */
  listen: v.optional(v.string()),
  /** Directory of the archive. */
  store: v.optional(v.string()),
  targets: v.optional(v.record(v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)), TargetSchema), {}),
  /** Target served at /debug/pprof/; the only one when there is one. */
  defaultTarget: v.optional(v.string()),
  /** Seconds after the last upstream byte until the best answer so far is given. */
  budgetSeconds: v.optional(Seconds, 2),
  /** Comments in profiles that say what the main binary is. */
  identity: v.optional(v.boolean(), true),
  /** Documentation URL of profiles that have none, with placeholders: {module} {version} {revision}... */
  docUrl: v.optional(DocUrl, ''),
  /** Where source files are now: FROM=TO. */
  sourceMap: v.optional(v.array(SourceRuleText), []),
  /** Largest profile taken from a target, bytes as sent. */
  maxProfileBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1024)), 64 * 1024 * 1024),
  /** Threads that work on profiles; 0: the server's own does. */
  workers: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_WORKERS))),
});

/** What is written beside the names. */
export interface Output {
  readonly identity: boolean;
  /** "" for none. */
  readonly docUrl: string;
  readonly sourceMap: readonly SourceRule[];
}

export type TargetConfig = v.InferOutput<typeof TargetSchema>;

export interface Config extends Output {
  readonly listen: { readonly host: string; readonly port: number };
  readonly storeDir: string;
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly defaultTarget: string | null;
  readonly budgetMs: number;
  readonly maxProfileBytes: number;
  readonly workers: number;
}

/** What the command line says; undefined = not said. */
export interface Flags {
  readonly config?: string;
  readonly listen?: string;
  readonly store?: string;
  readonly target?: readonly string[];
  readonly workers?: string;
  /** False when said so. */
  readonly identity?: boolean;
  readonly docUrl?: string;
  readonly sourceMap?: readonly string[];
}

const DEFAULT_CONFIG_FILE = 'resym.yaml';
const DEFAULT_LISTEN = '127.0.0.1:7070';

/** The configuration of `resym serve`. Throws ConfigError. */
export function loadConfig(flags: Flags, env: NodeJS.ProcessEnv): Config {
  const path = flags.config ?? env['RESYM_CONFIG'] ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  const file = path === null ? v.parse(FileSchema, {}) : readConfigFile(path);
  const targets = new Map(Object.entries(file.targets));
  for (const text of flags.target ?? env['RESYM_TARGETS']?.split(',').filter(Boolean) ?? []) {
    const [name, target] = parseTarget(text);
    targets.set(name, target);
  }
  if (file.defaultTarget !== undefined && !targets.has(file.defaultTarget)) {
    throw new ConfigError(`${path}: defaultTarget names ${JSON.stringify(file.defaultTarget)}, which is no target`);
  }
  const only = targets.size === 1 ? [...targets.keys()][0] : null;
  return {
    listen: parseListen(flags.listen ?? env['RESYM_LISTEN'] ?? file.listen ?? DEFAULT_LISTEN),
    storeDir: flags.store ?? env['RESYM_STORE'] ?? file.store ?? storeDir(undefined, env),
    targets,
    defaultTarget: file.defaultTarget ?? only,
    identity: file.identity,
    docUrl: file.docUrl,
    sourceMap: file.sourceMap,
    ...saidOutput(flags, env),
    budgetMs: file.budgetSeconds * 1000,
    maxProfileBytes: file.maxProfileBytes,
    workers: saidWorkers(flags, env) ?? file.workers ?? Math.min(availableParallelism(), DEFAULT_MAX_WORKERS),
  };
}

function saidWorkers(flags: Flags, env: NodeJS.ProcessEnv): number | null {
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

/** The archive's directory: flag or file, RESYM_STORE, XDG_DATA_HOME/resym, ~/.local/share/resym. */
export function storeDir(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  return flag ?? env['RESYM_STORE'] ?? join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'resym');
}

function readConfigFile(path: string): v.InferOutput<typeof FileSchema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const syntax = document.errors[0];
  if (syntax) throw new ConfigError(`${path}:${lines.linePos(syntax.pos[0]).line}: ${syntax.message.split('\n')[0]}`);
  const result = v.safeParse(FileSchema, document.toJS() ?? {});
  if (result.success) return result.output;
  const issue = result.issues[0];
  const keys = issue.path?.map((item) => String(item.key)) ?? [];
  const node = document.getIn(keys, true) as { range?: [number, number, number] } | undefined;
  const at = node?.range ? `:${lines.linePos(node.range[0]).line}` : '';
  throw new ConfigError(`${path}${at}: ${keys.join('.') || 'the file'}: ${issue.message}`);
}

/** `name=url`. */
function parseTarget(text: string): [string, TargetConfig] {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  let url = text.slice(at + 1);
  if (at < 1 || url === '') throw new ConfigError(`--target wants NAME=URL, not ${JSON.stringify(text)}`);
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) url = `http://${url}`;
  const parsed = v.safeParse(v.object({ [name]: TargetSchema }), { [name]: { url } });
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) || !parsed.success) {
    throw new ConfigError(`--target wants NAME=URL with a name of letters, digits, . _ -; not ${JSON.stringify(text)}`);
  }
  return [name, parsed.output[name]];
}

function parseListen(text: string): Config['listen'] {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new ConfigError(`listen wants host:port, not ${JSON.stringify(text)}`);
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}
