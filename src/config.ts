/**
 * Every option once: name, type, default, environment variable, meaning. Precedence: flag, RESYM_* environment,
 * configuration file, default.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import {
  archivePlace,
  ConfigError,
  debuginfodCache,
  type Flags,
  MAX_WORKERS,
  type Output,
  saidDebuginfod,
  saidOutput,
  saidWorkers,
} from './flags.ts';
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

export const SCOPES = ['read', 'symbolize', 'upload', 'capture', 'admin'] as const;
/** read: profiles, binaries, metrics; symbolize: POST /symbolize, /explain; upload: PUT /binaries; capture: captures; admin: all. */
export type Scope = (typeof SCOPES)[number];

const Scopes = v.array(v.picklist(SCOPES));

const TokenSchema = v.strictObject({
  /** For the log. */
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
  /** Of the token, 64 hex digits: see `resym token`. */
  sha256: v.pipe(v.string(), v.toLowerCase(), v.regex(/^[0-9a-f]{64}$/, 'wants 64 hex digits: see `resym token`')),
  scopes: Scopes,
  /** ISO 8601. */
  expires: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => !Number.isNaN(Date.parse(text)), 'wants a time: 2027-01-31T00:00:00Z'),
    ),
  ),
  /** The targets it is for; all unless given. */
  targets: v.optional(v.array(v.string())),
});

const IssuerSchema = v.strictObject({
  /** As in the tokens' `iss`. */
  issuer: v.pipe(v.string(), v.url()),
  /** As in the tokens' `aud`. */
  audience: v.string(),
  /** Where its keys are; unless given, its openid-configuration says so. */
  jwksUri: v.optional(v.pipe(v.string(), v.url())),
  /** Which tokens may do what: all claims of a rule must fit, * stands for anything. */
  rules: v.array(
    v.strictObject({
      claims: v.pipe(
        v.record(v.string(), v.string()),
        v.check(
          (claims) => Object.keys(claims).length > 0,
          'wants a claim: without one everybody with a token of this issuer is let in',
        ),
      ),
      scopes: Scopes,
    }),
  ),
  /** http: is good enough for its keys. */
  insecure: v.optional(v.boolean(), false),
});

const CertificateSchema = v.pipe(
  v.strictObject({
    name: v.string(),
    /** Common name of the certificate's subject. */
    subject: v.optional(v.string()),
    /** One of its alternative names, as `DNS:ci.example.com` or `URI:spiffe://...`. */
    san: v.optional(v.string()),
    scopes: Scopes,
  }),
  v.check(({ subject, san }) => Boolean(subject) || Boolean(san), 'wants a subject or a san'),
);

const AuthSchema = v.strictObject({
  /** What may be done without credentials. */
  anonymous: v.optional(Scopes),
  tokens: v.optional(v.array(TokenSchema), []),
  oidc: v.optional(v.array(IssuerSchema), []),
});

const DebuginfodSchema = v.strictObject({
  urls: v.array(v.pipe(v.string(), v.regex(/^https?:\/\//i, 'wants a URL of http or https'), v.url())),
  /** Where what was fetched is kept; ~/.cache/resym/debuginfod unless given. */
  cache: v.optional(v.string()),
  /** It is kept below so many bytes, and nothing in it longer than so many days unused. */
  maxCacheBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1024)), 10 * 1024 ** 3),
  maxCacheDays: v.optional(v.pipe(v.number(), v.minValue(0)), 30),
  /** Largest file taken, bytes. */
  maxFileBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1024)), 2 * 1024 ** 3),
});

const TlsSchema = v.pipe(
  v.strictObject({
    /** PEM files; they are read again when they change. */
    cert: v.string(),
    key: v.string(),
    /** Clients with a certificate of these issuers are known by it. */
    clientCa: v.optional(v.string()),
    clients: v.optional(v.array(CertificateSchema), []),
  }),
  v.check(({ clientCa, clients }) => clients.length === 0 || clientCa !== undefined, 'clients want a clientCa'),
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
  /** Largest binary taken into the archive over HTTP, bytes. */
  maxBinaryBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1024)), 4 * 1024 ** 3),
  /** Debuginfod servers to ask, in order, for what the archive does not have. */
  debuginfod: v.optional(DebuginfodSchema, () => ({ urls: [] })),
  /** Who may do what. */
  auth: v.optional(AuthSchema),
  /** https. */
  tls: v.optional(TlsSchema),
  /** Threads that work on profiles; 0: the server's own does. */
  workers: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_WORKERS))),
});

export type TargetConfig = v.InferOutput<typeof TargetSchema>;

export type TokenConfig = v.InferOutput<typeof TokenSchema>;
export type IssuerConfig = v.InferOutput<typeof IssuerSchema>;
export type CertificateRule = v.InferOutput<typeof CertificateSchema>;
export type TlsConfig = v.InferOutput<typeof TlsSchema>;

/** With its defaults. */
export type DebuginfodConfig = v.InferOutput<typeof DebuginfodSchema> & { readonly cache: string };

export interface AccessConfig {
  readonly anonymous: readonly Scope[];
  readonly tokens: readonly TokenConfig[];
  readonly oidc: readonly IssuerConfig[];
  readonly certificates: readonly CertificateRule[];
}

export interface Config extends Output {
  /** null: nothing is said of it, and on the loopback interface everybody may do everything. */
  readonly access: AccessConfig | null;
  readonly tls: TlsConfig | null;
  readonly debuginfod: DebuginfodConfig;
  readonly listen: { readonly host: string; readonly port: number };
  /** As open-store.ts has it. */
  readonly archive: string;
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly defaultTarget: string | null;
  readonly budgetMs: number;
  readonly maxProfileBytes: number;
  readonly maxBinaryBytes: number;
  readonly workers: number;
  /** null: the archive keeps everything. */
  readonly gc: { readonly everyMs: number; readonly rules: GcRules } | null;
}

const DEFAULT_CONFIG_FILE = 'resym.yaml';
const DEFAULT_LISTEN = '127.0.0.1:7070';

/** What commands without a configuration file ask; the rest are defaults. Throws ConfigError. */
export function debuginfodOf(flags: Pick<Flags, 'debuginfod'>, env: NodeJS.ProcessEnv): DebuginfodConfig {
  const urls = [...(saidDebuginfod(flags, env) ?? [])];
  return { ...v.parse(DebuginfodSchema, { urls }), cache: debuginfodCache(env) };
}

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
    access: accessOf(flags, env, file),
    tls: tlsOf(flags, env, file.tls),
    debuginfod: {
      ...file.debuginfod,
      cache: file.debuginfod.cache ?? debuginfodCache(env),
      urls: [...(saidDebuginfod(flags, env) ?? file.debuginfod.urls)],
    },
    archive: archivePlace(flags.store ?? (env['RESYM_STORE'] || file.store), env),
    targets,
    defaultTarget: file.defaultTarget ?? only,
    identity: file.identity,
    docUrl: file.docUrl,
    sourceMap: file.sourceMap,
    ...saidOutput(flags, env),
    budgetMs: file.budgetSeconds * 1000,
    maxProfileBytes: file.maxProfileBytes,
    maxBinaryBytes: file.maxBinaryBytes,
    workers: saidWorkers(flags, env) ?? file.workers ?? Math.min(availableParallelism(), DEFAULT_MAX_WORKERS),
    gc: file.gc === undefined ? null : gcFrom(file.gc),
  };
}

/** Throws ConfigError where a server that others can reach would be open to all without being told so. */
function accessOf(flags: Flags, env: NodeJS.ProcessEnv, file: v.InferOutput<typeof FileSchema>): AccessConfig | null {
  const said = flags.anonymous ?? env['RESYM_ANONYMOUS'];
  const anonymous = said === undefined || said === '' ? file.auth?.anonymous : scopesFrom(said);
  const tokens = [...(file.auth?.tokens ?? []), ...tokensFrom(env['RESYM_AUTH_TOKENS'] ?? '')];
  const oidc = file.auth?.oidc ?? [];
  const certificates = file.tls?.clients ?? [];
  const isConfigured =
    anonymous !== undefined ||
    file.tls?.clientCa !== undefined ||
    tokens.length + oidc.length + certificates.length > 0;
  if (isConfigured) return { anonymous: anonymous ?? [], tokens, oidc, certificates };
  const { host } = parseListen(flags.listen ?? env['RESYM_LISTEN'] ?? file.listen ?? DEFAULT_LISTEN);
  if (isLoopback(host)) return null;
  throw new ConfigError(
    `listening on ${host} would let everybody in: make a token with \`resym token\`, or say what may be done without one: ` +
      '--anonymous read,symbolize (RESYM_ANONYMOUS, auth.anonymous)',
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function scopesFrom(text: string): Scope[] {
  const scopes = v.safeParse(Scopes, text === 'all' ? ['admin'] : text.split(',').filter(Boolean));
  if (scopes.success) return scopes.output;
  throw new ConfigError(`--anonymous wants all, or some of ${SCOPES.join(',')}; not ${JSON.stringify(text)}`);
}

/** `name:sha256:scope+scope,...` */
function tokensFrom(text: string): TokenConfig[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
    .map((one, i) => {
      const [name, sha256, scopes = '', ...rest] = one.split(':');
      const token = v.safeParse(TokenSchema, { name, sha256, scopes: scopes.split('+').filter(Boolean) });
      if (token.success && rest.length === 0) return token.output;
      throw new ConfigError(`RESYM_AUTH_TOKENS: entry ${i + 1} is not name:sha256:scope+scope`); // it may hold a token
    });
}

function tlsOf(flags: Flags, env: NodeJS.ProcessEnv, file: TlsConfig | undefined): TlsConfig | null {
  const cert = flags.tlsCert ?? (env['RESYM_TLS_CERT'] || file?.cert);
  const key = flags.tlsKey ?? (env['RESYM_TLS_KEY'] || file?.key);
  if (cert === undefined && key === undefined) return null;
  if (cert === undefined || key === undefined) throw new ConfigError('https needs both, --tls-cert and --tls-key');
  return { clients: [], ...file, cert, key };
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
