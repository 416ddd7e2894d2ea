import { readFileSync } from 'node:fs';
import type { Agent } from 'undici';
import type { TargetConfig } from '../config.ts';
import { ConfigError, type Output } from '../flags.ts';
import { messageOf } from '../errors.ts';

/**
 * A service on this machine or one network away answers in milliseconds; pprof with `-seconds 1` gives up after 6.5 s and
 * should still see why nothing came.
 */
const CONNECT_TIMEOUT_MS = 4000;

/** What is asked of a target is `<base>/debug/pprof/...`; users paste the whole URL. */
const PPROF_TAIL = /\/debug\/pprof\/?$/;

/**
 * A named service whose profiles are proxied: where it is, how to be let in, and the connections to it.
 *
 * Every request gets a connection of its own. A kept-alive one may be closed by the service at the moment it is used again,
 * and a profile that failed for that reason cannot be asked for a second time: it would run the profiler twice.
 */
export class Target {
  readonly name: string;
  /** "http://host:port", or what stands in for it with a Unix socket. */
  readonly origin: string;
  /** Path below which `/debug/pprof/` lies: "" or "/api", as in a URL. */
  readonly basePath: string;
  /** The URL as people may see it: no user, no password. */
  readonly label: string;
  /** Paths of binaries to try before the archive. */
  readonly binaries: readonly string[];
  /** What this target says about what is written beside the names. */
  readonly output: Partial<Output>;
  readonly forwardAuthorization: boolean;
  readonly #connections: Agent.Options;
  #dispatcher: Promise<Agent> | null = null;
  readonly #headers: Readonly<Record<string, string>>;

  /** Throws ConfigError for a URL or a TLS file that cannot be used; its message holds no credentials. */
  constructor(name: string, config: TargetConfig) {
    this.name = name;
    const { url, insecure, socketPath } = parseTargetUrl(name, config.url);
    this.origin = url.origin;
    this.basePath = url.pathname.replace(PPROF_TAIL, '').replace(/\/+$/, '');
    this.label = socketPath === null ? this.origin + this.basePath : `unix:${socketPath}${this.basePath}`;
    this.binaries = config.binaries;
    const { identity, docUrl, sourceMap } = config;
    this.output = {
      ...(identity !== undefined && { identity }),
      ...(docUrl !== undefined && { docUrl }),
      ...(sourceMap !== undefined && { sourceMap }),
    };
    this.forwardAuthorization = config.forwardAuthorization;
    this.#headers = credentials(name, url, config);
    const { tls } = config;
    this.#connections = {
      pipelining: 0,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        ...(socketPath !== null && { socketPath }),
        ...(tls?.ca !== undefined && { ca: pem(name, 'ca', tls.ca) }),
        ...(tls?.cert !== undefined && { cert: pem(name, 'cert', tls.cert) }),
        ...(tls?.key !== undefined && { key: pem(name, 'key', tls.key) }),
        ...((insecure || tls?.insecure === true) && { rejectUnauthorized: false }),
      },
    };
  }

  /** The connections; what makes them is loaded with the first. */
  dispatcher(): Promise<Agent> {
    this.#dispatcher ??= import('./connections.ts').then(({ connections }) => connections(this.#connections));
    return this.#dispatcher;
  }

  /**
   * The headers of a request: `passed` are the client's, already chosen; the target's own win over them, but for
   * Authorization where the client's is to be forwarded.
   */
  headers(passed: Readonly<Record<string, string>>, clientAuthorization: string | undefined): Record<string, string> {
    const headers = { ...passed, ...this.#headers };
    if (this.forwardAuthorization && clientAuthorization !== undefined) headers['authorization'] = clientAuthorization;
    return headers;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await (await this.#dispatcher)?.destroy();
  }
}

interface ParsedUrl {
  readonly url: URL;
  readonly insecure: boolean;
  readonly socketPath: string | null;
}

/**
 * http:, https:, and two spellings from elsewhere: `https+insecure:` as in pprof (no certificate check) and
 * `http+unix://%2Frun%2Fapp.sock/base` (a socket's path, percent-encoded, where the host would be).
 */
function parseTargetUrl(name: string, text: string): ParsedUrl {
  const unix = /^http\+unix:\/\/([^/?#]+)(\/[^?#]*)?$/i.exec(text);
  if (unix) {
    const socketPath = decode(name, unix[1]);
    return { url: new URL(`http://localhost${unix[2] ?? ''}`), insecure: false, socketPath };
  }
  const insecure = /^https\+insecure:/i.test(text);
  const plain = insecure ? text.replace(/\+insecure/i, '') : text;
  if (!URL.canParse(plain)) throw new ConfigError(`target ${name}: its URL cannot be read`);
  const url = new URL(plain);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new ConfigError(`target ${name}: ${url.protocol} is no way to reach a service; use http: or https:`);
  if (url.search !== '' || url.hash !== '')
    throw new ConfigError(`target ${name}: its URL is a base for paths and can have no query`);
  return { url, insecure, socketPath: null };
}

/** Header names in lower case. */
function credentials(name: string, url: URL, { token, headers }: TargetConfig): Record<string, string> {
  const own: Record<string, string> = {};
  if (url.username !== '' || url.password !== '') {
    const pair = `${decode(name, url.username)}:${decode(name, url.password)}`;
    own['authorization'] = `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
  }
  if (token !== undefined) own['authorization'] = `Bearer ${token}`;
  for (const [header, value] of Object.entries(headers ?? {})) own[header.toLowerCase()] = value;
  for (const [header, value] of Object.entries(own)) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(header) || /[^\t\x20-\x7e\x80-\xff]/.test(value))
      throw new ConfigError(`target ${name}: header ${JSON.stringify(header)} cannot be sent as configured`);
  }
  return own;
}

function decode(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new ConfigError(`target ${name}: its URL holds a % that is no encoding`, { cause });
  }
}

/** PEM text as it is, or the file it is in. */
function pem(name: string, what: string, value: string): string {
  if (value.includes('-----BEGIN')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (cause) {
    throw new ConfigError(`target ${name}: tls.${what}: ${messageOf(cause)}`, { cause });
  }
}
