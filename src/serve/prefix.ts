/**
 * Paths at the border: what a client asks below a target's mount point, and where the target's redirects lead.
 *
 *     client asks    /targets/api/debug/pprof/heap?gc=1
 *                    └── mount ──┘└─ path ───────┘└query┘
 *     target is asked  <base path>/debug/pprof/heap?gc=1
 */
import type { Target } from '../source/target.ts';
import { HttpProblem } from './errors.ts';

export const PPROF_PATH = '/debug/pprof';

/** Where brpc and others with gperftools' handlers serve profiles; no link leads there, and nothing is redirected there. */
export const GPERFTOOLS_PATH = '/pprof';

/** Where a target is found: "/targets/<name>", or "" for the default target. */
export type Mount = string;

export interface SplitUrl {
  /** Percent-encoded, as sent. */
  readonly path: string;
  /** With its "?", or "". */
  readonly query: string;
}

export function splitUrl(url: string): SplitUrl {
  const at = url.indexOf('?');
  return at === -1 ? { path: url, query: '' } : { path: url.slice(0, at), query: url.slice(at) };
}

/** True for /debug/pprof, /pprof and everything below them. */
export function isPprofPath(path: string): boolean {
  return [PPROF_PATH, GPERFTOOLS_PATH].some((root) => path === root || path.startsWith(`${root}/`));
}

/**
 * Refuses a path that a server could take for one outside /debug/pprof: dot segments, also written with %2e, %2f or a
 * backslash. A slash as %2f is fine by itself: profiles have names like "github.com/x/y". Throws HttpProblem.
 */
export function checkPath(path: string): void {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    throw new HttpProblem(400, 'the path holds a % that is no encoding');
  }
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(decoded)) throw new HttpProblem(400, 'the path holds control characters');
  if (decoded.split(/[/\\]/).some((segment) => segment === '.' || segment === '..'))
    throw new HttpProblem(400, `the path leaves ${PPROF_PATH}`);
}

/**
 * A target's Location as the client can use it. Go's mux redirects to absolute paths ("/debug/pprof/") that know nothing of a
 * mount point; also one that leads to the target by its own address comes back through resym. Everything else is left
 * as an absolute URL.
 */
export function rewriteLocation(location: string, target: Target, askedPath: string, mount: Mount): string {
  const base = target.origin + target.basePath + askedPath;
  if (!URL.canParse(location, base)) return location;
  const url = new URL(location, base);
  if (url.origin !== target.origin) return location;
  // The base path is missing where something in front of the service takes it off.
  const within = url.pathname.startsWith(`${target.basePath}/`)
    ? url.pathname.slice(target.basePath.length)
    : url.pathname;
  return isPprofPath(within) ? mount + within + url.search + url.hash : url.href;
}
