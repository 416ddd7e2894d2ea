/** What a request needs the right to. The one list of it: what is not in it needs `admin`. */
import type { Scope } from '../config.ts';

interface Rule {
  /** null: any. */
  readonly methods: readonly string[] | null;
  /** Of the path as sent, percent-encoded. */
  readonly path: RegExp;
  /** One of them is enough; none: open to all. */
  readonly scopes: readonly Scope[];
}

const READ = ['GET', 'HEAD'];

/** The first that fits counts. */
const RULES: readonly Rule[] = [
  { methods: READ, path: /^\/(?:healthz|readyz)$/, scopes: [] },
  // pprof asks by POST for what it could read in the profile itself
  {
    methods: [...READ, 'POST'],
    path: /^(?:\/targets(?:\/[^/]+)?|\/proxy\/.+)?(?:\/debug\/pprof|\/pprof)?\/symbolz?$/,
    scopes: ['read', 'symbolize'],
  },
  { methods: ['POST'], path: /^\/(?:symbolize|explain)$/, scopes: ['symbolize'] },
  { methods: ['PUT'], path: /^\/binaries(?:\/|$)/, scopes: ['upload'] },
  { methods: ['POST'], path: /^\/(?:captures|hooks\/[^/]+)$/, scopes: ['capture'] },
  {
    methods: READ,
    path: /^\/(?:metrics$|$|(?:targets|debug\/pprof|pprof|proxy|binaries|buildid|captures|sd)(?:\/|$))/,
    scopes: ['read'],
  },
];

/** The scopes of which a request needs one; none: it needs nothing. */
export function scopesFor(method: string, path: string): readonly Scope[] {
  const rule = RULES.find(({ methods, path: fits }) => (methods?.includes(method) ?? true) && fits.test(path));
  return rule?.scopes ?? ['admin'];
}

/** The target a path is about; null: none, or the default one. */
export function targetIn(path: string): string | null {
  const match = /^\/targets\/([^/]+)/.exec(path);
  if (match === null || path === '/targets/symbolz') return null; // where pprof asks that was sent to /targets/<name>
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return ''; // no target is called that; the route says what is wrong with it
  }
}
