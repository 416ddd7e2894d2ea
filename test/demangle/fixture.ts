/** The symbols in test/fixtures/demangle, with the names other tools give them. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export type Language = 'cxx' | 'rust';

/** Pairs of a symbol and its name. */
export function fixture(language: Language): [symbol: string, name: string][] {
  const file = new URL(`../fixtures/demangle/${language}.tsv.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const tab = line.indexOf('\t');
    return [line.slice(0, tab), line.slice(tab + 1)];
  });
}
