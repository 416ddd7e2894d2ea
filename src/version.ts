import { existsSync, readFileSync } from 'node:fs';

/** This package's version. */
export const VERSION: string = readPackage().version;

/** The nearest one above: the sources lie otherwise than the files that are made of them. */
function readPackage(): { version: string } {
  let path = new URL('package.json', import.meta.url);
  while (!existsSync(path)) path = new URL('../package.json', path);
  return JSON.parse(readFileSync(path, 'utf8')) as { version: string };
}
