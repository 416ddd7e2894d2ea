/**
 * Every option once: name, type, default, environment variable, meaning. Precedence: flag, RESYM_* environment,
 * configuration file, default.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import { archivePlace, ConfigError, type Flags, MAX_WORKERS, type Output, saidOutput, saidWorkers } from './flags.ts';
import { docUrlProblem } from './rewrite/build-comments.ts';
import { parseSourceRule } from './rewrite/source-map.ts';
import type { GcRules } from './store/gc.ts';
import { MAX_KEEP, parseAge, parseSize } from './store/gc-rules.ts';

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

const Age = v.pipe(v.string(), v.transform(parseAge), v.number('a time like 90d, 12h or 2w is wanted'));

/** Timers count no further than 24 days. */
const MAX_GC_INTERVAL_MS = 14 * 24 * 3600_000;

/** As `resym store gc` has it, now and then. */
const GcSchema = v.strictObject({
  /** Between two times, more or less. */
  every: v.optional(v.pipe(Age, v.maxValue(MAX_GC_INTERVAL_MS, 'at most 14d')), '1d'),
  maxAge: v.optional(Age),
  keep: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_KEEP))),
  quota: v.optional(v.pipe(v.string(), v.transform(parseSize), v.number('a size like 200GB or 1.5TiB is wanted'))),
});

/** Of threads nobody asked for: each keeps binaries warm, some 50 MB of its own. */
const DEFAULT_MAX_WORKERS = 4;

const FileSchema = v.strictObject({
  /** host:port. */
  listen: v.optional(v.string()),
  /** Directory of the archive. */
  store: v.optional(v.string()),
  /** What the archive may lose; nothing unless this is here. */
  gc: v.optional(GcSchema),
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

export type TargetConfig = v.InferOutput<typeof TargetSchema>;

export interface Config extends Output {
  readonly listen: { readonly host: string; readonly port: number };
  /** As store/place.ts has it. */
  readonly archive: string;
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly defaultTarget: string | null;
  readonly budgetMs: number;
  readonly maxProfileBytes: number;
  readonly workers: number;
  /** null: the archive keeps everything. */
  readonly gc: { readonly everyMs: number; readonly rules: GcRules } | null;
}

const DEFAULT_CONFIG_FILE = 'resym.yaml';
const DEFAULT_LISTEN = '127.0.0.1:7070';

/** The configuration of `resym serve`. Rejects with ConfigError. */
export async function loadConfig(flags: Flags, env: NodeJS.ProcessEnv): Promise<Config> {
  const path = flags.config ?? env['RESYM_CONFIG'] ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  const file = path === null ? v.parse(FileSchema, {}) : await readConfigFile(path);
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
    archive: archivePlace(flags.store ?? (env['RESYM_STORE'] || file.store), env),
    targets,
    defaultTarget: file.defaultTarget ?? only,
    identity: file.identity,
    docUrl: file.docUrl,
    sourceMap: file.sourceMap,
    ...saidOutput(flags, env),
    budgetMs: file.budgetSeconds * 1000,
    maxProfileBytes: file.maxProfileBytes,
    workers: saidWorkers(flags, env) ?? file.workers ?? Math.min(availableParallelism(), DEFAULT_MAX_WORKERS),
    gc: file.gc === undefined ? null : gcFrom(file.gc),
  };
}

function gcFrom({ every, maxAge, keep, quota }: v.InferOutput<typeof GcSchema>): Config['gc'] {
  return { everyMs: every, rules: { maxAgeMs: maxAge ?? null, keep: keep ?? null, quotaBytes: quota ?? null } };
}

async function readConfigFile(path: string): Promise<v.InferOutput<typeof FileSchema>> {
  const { ConfigFile } = await import('./config-file.ts');
  const file = new ConfigFile(path);
  const result = v.safeParse(FileSchema, file.value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw file.problem(issue.path?.map((item) => String(item.key)) ?? [], issue.message);
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
