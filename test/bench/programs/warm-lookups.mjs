/**
 * Lookups in one process, after the tables are warm.
 *
 *   node warm-lookups.mjs MODULES FILE PASSES < addresses
 *
 * Pass k looks up every address + k: other addresses each time, in the same functions, so that nothing remembered per address helps.
 * Then the first thousand again and again. One JSON line: seconds and frames of each pass; lookups a second of the repeated ones.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const [modules, file, passes] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(modules, name)).href);
const [{ openNamed }, { assemble }, { Beside }] = await Promise.all([
  load('cli/binary.js'),
  load('store/assembly.js'),
  load('store/beside.js'),
]);
const REPEATED = 1000;
const REPEAT_SECONDS = 1;

const addresses = readFileSync(0, 'utf8').trim().split('\n').map(Number);
const named = openNamed(file, undefined);
const { symbols, close } = await assemble({ files: [named], elsewhere: new Beside(named.file) });

const seconds = [];
const frames = [];
let bytes = 0;
for (let pass = 0; pass < Number(passes); pass++) {
  const began = performance.now();
  let count = 0;
  for (const address of addresses) {
    const found = symbols.lookup(address + pass);
    if (found === null) continue;
    count += found.frames.length;
    for (const frame of found.frames) bytes += frame.name.length + frame.file.length;
  }
  seconds.push((performance.now() - began) / 1000);
  frames.push(count);
}

const again = addresses.slice(0, REPEATED);
let lookups = 0;
const began = performance.now();
while (performance.now() - began < REPEAT_SECONDS * 1000) {
  for (const address of again) if (symbols.lookup(address) !== null) bytes++;
  lookups += again.length;
}
const repeated = lookups / ((performance.now() - began) / 1000);
close();
process.stdout.write(`${JSON.stringify({ seconds, frames, repeated, bytes, problems: symbols.problems })}\n`);
