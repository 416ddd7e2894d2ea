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
    lines.push([go.version, clean(`module ${module.path} ${module.version}`.trimEnd())].join(', '));
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

const PLACEHOLDERS: Readonly<Record<string, (facts: BuildFacts) => string>> = {
  name: ({ name }) => name,
  buildId: ({ buildId }) => buildId,
  goVersion: ({ go }) => go?.version ?? '',
  module: ({ go }) => go?.main?.path ?? '',
  version: ({ go }) => go?.main?.version ?? '',
  revision: ({ go }) => go?.settings['vcs.revision'] ?? '',
};

/** What is wrong with a template of documentation URLs, for the person who wrote it; "" when nothing is. */
export function docUrlProblem(template: string): string {
  for (const [whole, name] of template.matchAll(/\{([^}]*)\}/g)) {
    if (!(name in PLACEHOLDERS)) {
      const known = Object.keys(PLACEHOLDERS).map((each) => `{${each}}`);
      return `${whole} stands for nothing; known are ${known.join(', ')}`;
    }
  }
  return isHttpUrl(template.replace(/\{[^}]*\}/g, 'x')) ? '' : `${JSON.stringify(template)} is no http or https URL`;
}

/** The URL for a binary; "" when the binary lacks what the template names. pprof takes absolute http and https URLs only. */
export function docUrlOf(template: string, facts: BuildFacts): string {
  let isWhole = true;
  const url = template.replace(/\{([^}]*)\}/g, (_, name: string) => {
    const value = PLACEHOLDERS[name]?.(facts) ?? '';
    if (value === '') isWhole = false;
    // A module's slashes are the path's own.
    return clean(value).split('/').map(encodeURIComponent).join('/');
  });
  return isWhole && isHttpUrl(url) ? url : '';
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** Build info is whatever its builder wrote: one line of printable text, and not too much of it. */
function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?').slice(0, MAX_CHARS);
}
