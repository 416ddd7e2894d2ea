/**
 * Who may do what: the handler in front of all routes.
 *
 *     request ─► who asks (client certificate, token, signed token, nobody) ─► what that needs (scopes.ts) ─► on, 401 or 403
 *
 * resym's own credentials end here: a target never sees them.
 */
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Request, RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { AccessConfig, CertificateRule, Scope } from '../config.ts';
import { messageOf } from '../errors.ts';
import { refuseBody } from './body.ts';
import { HttpProblem } from './errors.ts';
import { exchangeOf } from './exchange.ts';
import { loggedText } from './foreign.ts';
import { IdentityTokens } from './identity-tokens.ts';
import { splitUrl } from './prefix.ts';
import { scopesFor, targetIn } from './scopes.ts';
import { Tokens } from './tokens.ts';

export interface GuardOptions {
  /** null: everybody may do everything, as on the loopback interface without configuration. */
  readonly access: AccessConfig | null;
  /** The target at /debug/pprof. */
  readonly defaultTarget: string | null;
  readonly logger: Logger;
}

interface Caller {
  /** "" for nobody in particular. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** null: all. */
  readonly targets: readonly string[] | null;
}

/** What `resym token` begins its tokens with: one that is no longer known is still nobody else's. */
const TOKEN_PREFIX = 'resym_';

/** Refusals told in the log, in this time, ms. Those who try a million tokens fill no disk. */
const MAX_TOLD = 20;
const TOLD_MS = 10_000;

export function guard({ access, defaultTarget, logger }: GuardOptions): RequestHandler {
  if (access === null) return refusePages;
  const callers = new Callers(access);
  const tell = bounded((req: Request, why: string) =>
    logger.warn(
      { audit: 'refused', address: req.socket.remoteAddress, method: req.method, why: loggedText(why) },
      'access',
    ),
  );
  return async (req, res, next) => {
    const { path } = splitUrl(req.originalUrl);
    const needed = scopesFor(req.method, path);
    if (needed.length === 0) return next();
    const refuse = (problem: HttpProblem): never => {
      tell(req, problem.message);
      refuseBody(req);
      throw problem;
    };
    const caller = await callers.of(req);
    const may = (scopes: ReadonlySet<Scope>): boolean =>
      scopes.has('admin') || needed.some((scope) => scopes.has(scope));
    if (caller instanceof Refused) {
      // What is none of resym's may be for the target; what is, or was, is not shown to it.
      if (caller.isOurs || !may(callers.anonymous) || !isAboutTarget(path))
        return refuse(unauthorized(caller.message, true));
      return next();
    }
    exchangeOf(res).caller = caller.name;
    if (!may(caller.scopes)) {
      const what = `${req.method} ${path.slice(0, 200)} needs the scope ${needed.join(' or ')}`;
      return refuse(
        caller.name === ''
          ? unauthorized(`${what}: send a token (Authorization: Bearer ...)`, false)
          : new HttpProblem(403, `${what}, which ${caller.name} does not have`, challenge('insufficient_scope')),
      );
    }
    if (caller.name === '' && isForeignPage(req)) return refuse(FOREIGN);
    const target = targetIn(path) ?? (isAboutTarget(path) ? defaultTarget : null);
    if (caller.targets !== null && target !== null && !caller.targets.includes(target))
      return refuse(new HttpProblem(403, `${caller.name} is not for target ${JSON.stringify(target)}`));
    next();
  };
}

/** Credentials that are not good. */
class Refused {
  readonly message: string;
  /** They look like resym's own. */
  readonly isOurs: boolean;

  constructor(message: string, isOurs: boolean) {
    this.message = message;
    this.isOurs = isOurs;
  }
}

class Callers {
  readonly anonymous: ReadonlySet<Scope>;
  readonly #tokens: Tokens;
  readonly #signed: IdentityTokens;
  readonly #certificates: readonly CertificateRule[];

  constructor({ anonymous, tokens, oidc, certificates }: AccessConfig) {
    this.anonymous = new Set(anonymous);
    this.#tokens = new Tokens(tokens);
    this.#signed = new IdentityTokens(oidc);
    this.#certificates = certificates;
  }

  /** Credentials that are resym's own are taken off the request. A certificate counts for who sends none that are good. */
  async of(req: Request): Promise<Caller | Refused> {
    const certified = this.#certified(req);
    const sent = credentials(req);
    if (sent === null) return certified ?? this.#caller('', []);
    const caller = sent instanceof Refused ? sent : await this.#sender(req, sent);
    return caller instanceof Refused && !caller.isOurs && certified !== null ? certified : caller;
  }

  async #sender(req: Request, sent: string): Promise<Caller | Refused> {
    const token = this.#tokens.find(sent);
    if (token !== null) {
      delete req.headers.authorization;
      if (token.expires !== undefined && Date.parse(token.expires) <= Date.now())
        return new Refused(`the token ${token.name} was valid until ${token.expires}`, true);
      return this.#caller(`token:${token.name}`, token.scopes, token.targets ?? null);
    }
    if (!this.#signed.canRead(sent)) return new Refused('the token is not known', sent.startsWith(TOKEN_PREFIX));
    try {
      const { subject, scopes } = await this.#signed.verify(sent);
      delete req.headers.authorization;
      return this.#caller(`oidc:${subject}`, scopes);
    } catch (error) {
      return new Refused(messageOf(error), true);
    }
  }

  #caller(name: string, scopes: readonly Scope[], targets: readonly string[] | null = null): Caller {
    return { name, scopes: new Set([...this.anonymous, ...scopes]), targets };
  }

  #certified(req: Request): Caller | null {
    const socket = req.socket as Partial<TLSSocket>;
    if (socket.authorized !== true || socket.getPeerCertificate === undefined) return null;
    const { subject, subjectaltname = '' } = socket.getPeerCertificate();
    // A name that holds a comma is quoted: what is in it is no name.
    const names = (subjectaltname.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((name) => name.trim());
    const rule = this.#certificates.find(
      (each) =>
        (each.subject !== undefined && each.subject === subject?.CN) ||
        (each.san !== undefined && names.includes(each.san)),
    );
    return rule === undefined ? null : this.#caller(`cert:${rule.name}`, rule.scopes);
  }
}

/** The token of `Authorization: Bearer`, or the password of Basic, which is what a URL can hold. null: none was sent. */
function credentials(req: Request): string | Refused | null {
  const { authorization } = req.headers;
  if (authorization === undefined) return null;
  const match = /^(bearer|basic) +(\S+) *$/i.exec(authorization);
  if (match === null || (req.headersDistinct['authorization'] ?? []).length > 1)
    return new Refused('the Authorization header is not one of Bearer or Basic', false);
  if (match[1].toLowerCase() === 'bearer') return match[2];
  const pair = Buffer.from(match[2], 'base64').toString();
  return pair.slice(pair.indexOf(':') + 1) || new Refused('the password is empty', false);
}

function isAboutTarget(path: string): boolean {
  return /^\/(?:targets|debug\/pprof|pprof|symbolz?)(?:\/|$)/.test(path);
}

function unauthorized(message: string, wasSent: boolean): HttpProblem {
  return new HttpProblem(401, message, challenge(wasSent ? 'invalid_token' : ''));
}

function challenge(error: string): Record<string, string> {
  return { 'WWW-Authenticate': `Bearer realm="resym"${error === '' ? '' : `, error="${error}"`}, Basic realm="resym"` };
}

const FOREIGN = new HttpProblem(403, 'a web page of another site sent this; without credentials only programs may');

/** A browser sends what a page tells it to: who needs no credentials must at least not be one that somebody else directs. */
function isForeignPage(req: Request): boolean {
  if (req.method === 'GET' || req.method === 'HEAD') return false;
  const { origin, host = '' } = req.headers;
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'none' && site !== 'same-origin') return true;
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}

const MISNAMED = new HttpProblem(
  403,
  'a browser came here by a name that may be another site’s: use localhost, or say who may do what (--anonymous read,symbolize)',
);

/** Where everybody may do everything, also a page whose name was made to lead here may not. */
const refusePages: RequestHandler = (req, _res, next) => {
  const { origin, host = '' } = req.headers;
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  // Of what a page reads from its own site a browser says no more than this.
  const isBrowser = origin !== undefined || /^mozilla\//i.test(req.get('user-agent') ?? '');
  const isMisnamed = isBrowser && !isLocalName(host) && !isAddress(host);
  if (!isMisnamed && (isRead || !isForeignPage(req))) return next();
  refuseBody(req);
  throw isMisnamed && isRead ? MISNAMED : FOREIGN;
};

/** An address names nobody: no name server can make it lead elsewhere. */
function isAddress(host: string): boolean {
  return isIP(host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')) !== 0;
}

/** A name that nobody else's name server can make lead here. */
function isLocalName(host: string): boolean {
  return /^(?:localhost|[\w.-]+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host);
}

/** Calls through, but no more often than is worth reading. */
function bounded(tell: (req: Request, why: string) => void): (req: Request, why: string) => void {
  let told = 0;
  let since = 0;
  return (req, why) => {
    const now = performance.now();
    if (now - since > TOLD_MS) [told, since] = [0, now];
    if (++told <= MAX_TOLD) tell(req, told === MAX_TOLD ? `${why} (more are not told for a while)` : why);
  };
}
