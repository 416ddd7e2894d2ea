/**
 * From where the sources were when a program was built to where they are now.
 *
 *   /home/ci/work/api=/src/api      a directory; the longest that fits counts, then the first given
 *   GOROOT=/usr/local/go            in -trimpath builds: runtime/proc.go                          -> /usr/local/go/src/runtime/proc.go
 *   GOMODCACHE=/root/go/pkg/mod                          github.com/BurntSushi/toml@v1.2.3/x.go   -> …/github.com/!burnt!sushi/toml@v1.2.3/x.go
 *   MAIN=/src/api                                        example.com/api/main.go, of the main module
 *
 * -trimpath writes import paths, and versions behind a module's path; the main module and its vendor directory have none, nor has
 * the standard library, whose first path element has no dot.
 */
import type { GoBuild } from '../match/identity.ts';

export interface SourceRule {
  readonly from: string;
  readonly to: string;
}

const SPECIAL = new Set(['GOROOT', 'GOMODCACHE', 'MAIN']);

/** A rule `FROM=TO`; a sentence about what is wrong with it otherwise. */
export function parseSourceRule(text: string): SourceRule | string {
  const at = text.indexOf('=');
  const [from, to] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || to === '') return `a source map is FROM=TO, not ${JSON.stringify(text)}`;
  return { from: withoutSlash(from), to: withoutSlash(to) };
}

export class SourceMap {
  /** Longest first. */
  readonly #prefixes: readonly SourceRule[];
  readonly #special: ReadonlyMap<string, string>;

  constructor(rules: readonly SourceRule[]) {
    this.#special = new Map(rules.filter(({ from }) => SPECIAL.has(from)).map(({ from, to }) => [from, to]));
    this.#prefixes = rules.filter(({ from }) => !SPECIAL.has(from)).sort((a, b) => b.from.length - a.from.length);
  }

  /** The mapping for one program. @param go what it was built from; null when that is not known */
  for(go: GoBuild | null): (filename: string) => string {
    const main = go?.main?.path ?? '';
    return (filename) => this.#byPrefix(filename) ?? this.#trimmed(filename, main) ?? filename;
  }

  #byPrefix(filename: string): string | null {
    for (const { from, to } of this.#prefixes) {
      if (filename === from) return to;
      const isBelow = filename.startsWith(from) && /[/\\]/.test(filename[from.length] ?? '');
      if (isBelow) return to + filename.slice(from.length);
    }
    return null;
  }

  /** null for what -trimpath did not write. */
  #trimmed(filename: string, main: string): string | null {
    // Generated code, and C sources, whose names the compiler had from elsewhere.
    if (filename === '' || /^(?:[/\\<.]|[A-Za-z]:[\\/])/.test(filename) || !filename.includes('/')) return null;
    if (main !== '' && (filename === main || filename.startsWith(`${main}/`))) {
      return this.#below('MAIN', filename.slice(main.length + 1));
    }
    if (/^[^@]+@v[^/]+\//.test(filename)) return this.#below('GOMODCACHE', escaped(filename));
    const [first] = filename.split('/');
    return first.includes('.') ? null : this.#below('GOROOT', `src/${filename}`);
  }

  #below(place: string, path: string): string | null {
    const directory = this.#special.get(place);
    return directory === undefined ? null : `${directory}/${path}`;
  }
}

/** As the module cache writes upper case: file systems may not tell it from lower case. Only module path and version are. */
function escaped(filename: string): string {
  const at = filename.indexOf('/', filename.indexOf('@'));
  return filename.slice(0, at).replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`) + filename.slice(at);
}

function withoutSlash(path: string): string {
  return path.length > 1 ? path.replace(/[/\\]+$/, '') : path;
}
