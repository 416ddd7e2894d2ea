/** OpenID Connect: signed tokens of configured issuers, such as a CI gives each of its jobs. */
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { IssuerConfig, Scope } from '../config.ts';
import { messageOf } from '../errors.ts';

/** What an issuer says is kept this long by its keys' holder; a token with an unknown key makes it look again, not more often than this, ms. */
const COOLDOWN_MS = 30_000;
const KEEP_MS = 600_000;
/** After an issuer has failed, ms. */
const PAUSE_MS = 10_000;
/** A request waits for an answer of an issuer no longer than this, ms. */
const FETCH_MS = 3000;
/** Ten keys of certificates take 50 KB. */
const MAX_BYTES = 1 << 20;
/** Clocks differ. */
const TOLERANCE_S = 60;
/** Only such that the keys of an issuer, which anybody may know, cannot make. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const MAX_TOKEN = 16 * 1024;

export interface Verified {
  readonly subject: string;
  readonly scopes: readonly Scope[];
}

/** A token that is not to be trusted, and why: for the one who sent it. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

export class IdentityTokens {
  readonly #issuers: ReadonlyMap<string, Issuer>;

  constructor(configs: readonly IssuerConfig[]) {
    this.#issuers = new Map(configs.map((config) => [config.issuer, new Issuer(config)]));
  }

  /** False for what only another kind of token can be. */
  canRead(token: string): boolean {
    return this.#issuers.size > 0 && token.length <= MAX_TOKEN && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
  }

  /** Rejects with TokenRefused. */
  async verify(token: string): Promise<Verified> {
    const jose = await import('jose');
    let claimed: unknown;
    try {
      claimed = jose.decodeJwt(token).iss;
    } catch (cause) {
      throw new TokenRefused('the token cannot be read', { cause });
    }
    const issuer = typeof claimed === 'string' ? this.#issuers.get(claimed) : undefined;
    if (issuer === undefined) throw new TokenRefused('the issuer of the token is not configured');
    return issuer.verify(token);
  }
}

class Issuer {
  readonly #config: IssuerConfig;
  #keys: Promise<JWTVerifyGetKey> | null = null;
  /** Why they could not be had, and until when nobody asks again. */
  #failure: { readonly error: Error; readonly until: number } | null = null;

  constructor(config: IssuerConfig) {
    this.#config = config;
  }

  async verify(token: string): Promise<Verified> {
    const { issuer, audience, rules } = this.#config;
    const { jwtVerify } = await import('jose');
    let payload: JWTPayload;
    try {
      const keys = await this.#opened();
      const options = {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE_S,
        requiredClaims: ['exp'],
      };
      ({ payload } = await jwtVerify(token, keys, options));
    } catch (cause) {
      throw new TokenRefused(`the token of ${issuer} is not accepted: ${messageOf(cause)}`, { cause });
    }
    const scopes = rules.filter(({ claims }) => fits(payload, claims)).flatMap((rule) => rule.scopes);
    return { subject: payload.sub ?? issuer, scopes };
  }

  #opened(): Promise<JWTVerifyGetKey> {
    // Forged tokens must not make resym ask an issuer again and again.
    if (this.#failure !== null && this.#failure.until > performance.now()) return Promise.reject(this.#failure.error);
    this.#keys ??= this.#open().catch((error: unknown) => {
      this.#keys = null;
      this.#failure = {
        error: error instanceof Error ? error : new Error(String(error)),
        until: performance.now() + PAUSE_MS,
      };
      throw error;
    });
    return this.#keys;
  }

  async #open(): Promise<JWTVerifyGetKey> {
    const { createRemoteJWKSet, customFetch } = await import('jose');
    const url = this.#config.jwksUri ?? (await this.#discovered());
    return createRemoteJWKSet(new URL(url), {
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: KEEP_MS,
      timeoutDuration: FETCH_MS,
      [customFetch]: (address: string) => guardedFetch(address, this.#config.insecure),
    });
  }

  async #discovered(): Promise<string> {
    const { issuer, insecure } = this.#config;
    const response = await guardedFetch(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`, insecure);
    const said = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (said.issuer !== issuer || typeof said.jwks_uri !== 'string')
      throw new Error('its openid-configuration is of another issuer, or names no keys');
    return said.jwks_uri;
  }
}

/** Follows nothing, waits for little, takes little. */
async function guardedFetch(address: string, insecure: boolean): Promise<Response> {
  const { protocol } = new URL(address);
  if (protocol !== 'https:' && !(insecure && protocol === 'http:')) throw new Error(`${protocol} is not safe for keys`);
  const response = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(FETCH_MS) });
  if (!response.ok || response.body === null) throw new Error(`its keys cannot be had: HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`its keys take more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: 200 });
}

/** Every claim asked for is there; a * stands for any characters. */
function fits(payload: JWTPayload, claims: Readonly<Record<string, string>>): boolean {
  return Object.entries(claims).every(([name, pattern]) => {
    const value = payload[name];
    const values = Array.isArray(value) ? value : [value];
    return values.some(
      (one) =>
        (typeof one === 'string' || typeof one === 'boolean' || typeof one === 'number') &&
        isLike(String(one), pattern),
    );
  });
}

/** Piece by piece, each at its first place: no pattern takes longer than the text is long. */
function isLike(text: string, pattern: string): boolean {
  const [first, ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
