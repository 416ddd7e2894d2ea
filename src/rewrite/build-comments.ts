/**
 * What the main binary is, as comments: pprof shows them above its reports and in the browser.
 *
 *   resym: go1.26.1, module example.com/shop v1.4.2
 *   resym: revision 1a2b3c4d5e6f… of 2026-11-01T10:00:00Z, modified
 *   resym: build ID 4eaa1361d595…
 *   resym: 96 of 96 locations named, 5 by resym
 */
import type { GoBuild } from '../match/identity.ts';

/** What is known of the main binary. */
export interface BuildFacts {
  /** As people call it. */
  readonly name: string;
  /** Of the binary that was proven, which is not always the profile's; "" without one. */
  readonly buildId: string;
  /** null for what is no Go program. */
  readonly go: GoBuild | null;
}

export interface Coverage {
  readonly nameable: number;
  readonly named: number;
  readonly byResym: number;
}

const PREFIX = 'resym: ';
/** Comments by which Parca knows executables: it wants as many as there are mappings, and no others. */
const PARCA_PREFIX = 'executableInfo=';
/** What comes out of a binary is cut to this. */
const MAX_CHARS = 200;

/** True when comments may be added: not for the second time, and not beside Parca's. */
export function mayComment(existing: readonly string[]): boolean {
  return !existing.some((comment) => comment.startsWith(PREFIX) || comment.startsWith(PARCA_PREFIX));
}

export function buildComments({ name, buildId, go }: BuildFacts, { nameable, named, byResym }: Coverage): string[] {
  const lines: string[] = [];
  if (go === null) lines.push(clean(name));
  else {
    const module = go.main ?? { path: go.path, version: '' };
    lines.push(`${clean(go.version)}, ${clean(`module ${module.path} ${module.version}`.trimEnd())}`);
    const revision = go.settings['vcs.revision'];
    if (revision !== undefined) {
      const time = go.settings['vcs.time'];
      const when = time === undefined ? '' : ` of ${time}`;
      lines.push(clean(`revision ${revision}${when}`) + (go.settings['vcs.modified'] === 'true' ? ', modified' : ''));
    }
  }
  if (buildId !== '') lines.push(clean(`build ID ${buildId}`));
  lines.push(`${named} of ${nameable} locations named, ${byResym} by resym`);
  return lines.map((line) => PREFIX + line);
}

/** What the toolchain writes for a version it does not know. */
const DEVEL = '(devel)';

const PLACEHOLDERS: ReadonlyMap<string, (facts: BuildFacts) => string> = new Map([
  ['name', ({ name }: BuildFacts) => name],
  ['buildId', ({ buildId }) => buildId],
  ['goVersion', ({ go }) => go?.version ?? ''],
  ['module', ({ go }) => go?.main?.path ?? ''],
  ['version', ({ go }) => (go?.main?.version === DEVEL ? '' : (go?.main?.version ?? ''))],
  ['revision', ({ go }) => go?.settings['vcs.revision'] ?? ''],
]);

const PLACEHOLDER = /\{([^{}]*)\}/g;

/** What is wrong with a template of documentation URLs, for the person who wrote it; "" when nothing is. An empty one asks for none. */
export function docUrlProblem(template: string): string {
  if (template === '') return '';
  for (const [whole, name] of template.matchAll(PLACEHOLDER)) {
    if (!PLACEHOLDERS.has(name)) {
      const known = [...PLACEHOLDERS.keys()].map((each) => `{${each}}`);
      return `${whole} stands for nothing; known are ${known.join(', ')}`;
    }
  }
  const filled = template.replace(PLACEHOLDER, 'x');
  if (/[{}]/.test(filled)) return `${JSON.stringify(template)} has a brace without its partner`;
  return isHttpUrl(filled) ? '' : `${JSON.stringify(template)} is no http or https URL`;
}

/** The URL for a binary; "" when the binary lacks what the template names. pprof takes absolute http and https URLs only. */
export function docUrlOf(template: string, facts: BuildFacts): string {
  let isWhole = true;
  const url = template.replace(PLACEHOLDER, (_, name: string) => {
    const value = PLACEHOLDERS.get(name)?.(facts) ?? '';
    if (isForUrls(value)) return value.split('/').map(encodeURIComponent).join('/'); // a module's slashes are the path's own
    isWhole = false;
    return '';
  });
  return isWhole && isHttpUrl(url) ? url : '';
}

/** False for what would lead elsewhere: nothing at all, cut or unprintable text, a way up the path. */
function isForUrls(value: string): boolean {
  return value !== '' && value === clean(value) && !value.split('/').some((part) => part === '.' || part === '..');
}

/** A host as net/url, which pprof asks, and browsers understand it alike; then a path, a query or a fragment. */
const HTTP_URL = /^https?:\/\/(?:\[[0-9a-f:.]+\]|[\p{L}\p{N}._-]+)(?::\d+)?(?:[/?#]|$)/iu;

/** pprof shows no URL that it cannot parse; nor would it be one line. */
function isHttpUrl(text: string): boolean {
  return HTTP_URL.test(text) && !/[\s\p{C}\\{}]|%(?![0-9a-f]{2})/iu.test(text) && URL.canParse(text);
}

/** Build info is whatever its builder wrote: one line of printable text, and not too much of it. */
function clean(text: string): string {
  const short = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
  return short.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?');
}
