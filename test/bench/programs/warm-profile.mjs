/**
 * One engine that names profile after profile, as the proxy does, in a process of its own.
 *
 *   node warm-profile.mjs MODULES BINARY OUTPUT PASSES RAW_PROFILE     in turns with zlib: gunzip of the input, gzip level 1 of the output
 *   node warm-profile.mjs MODULES BINARY OUTPUT files PROFILE...       alone, each of these once: for the memory it takes
 *
 * Every pass works on a profile that no pass before has seen: time_nanos differs. One JSON line: per pass CPU seconds and wall seconds;
 * sizes; peak resident bytes of the process.
 */
import { Buffer } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

const [modules, binary, output, passes, ...paths] = process.argv.slice(2);
const { openEngine } = await import(pathToFileURL(join(modules, 'open-engine.js')).href);
const engine = await openEngine(null);

const alone = passes === 'files';
const raw = alone ? null : readFileSync(paths[0]);
const ours = { cpu: [], wall: [] };
const floor = { cpu: [], wall: [] };
let sizes = null;
let result = null;

for (let pass = 0; pass < (alone ? paths.length : Number(passes)); pass++) {
  const input = alone ? readFileSync(paths[pass]) : gzipSync(withTime(pass), { level: 1 });
  result = await timed(ours, () => engine.resymbolize(input, { pinned: [binary], identity: true }));
  if (alone) continue;
  const out = gunzipSync(result.body);
  await timed(floor, () => {
    gunzipSync(input);
    gzipSync(out, { level: 1 });
  });
  sizes = { input: input.length, raw: raw.length, out: out.length, body: result.body.length };
}
writeFileSync(output, result.body);
const maxRSS = process.resourceUsage().maxRSS * 1024;
process.stdout.write(
  `${JSON.stringify({ ours, floor, sizes, maxRSS, status: result.status, timings: result.timings })}\n`,
);

/** The profile with a time_nanos (field 9) of its own. */
function withTime(pass) {
  const field = [9 << 3];
  for (let rest = BigInt(Date.now()) * 1_000_000n + BigInt(pass); ; rest >>= 7n) {
    if (rest < 0x80n) {
      field.push(Number(rest));
      return Buffer.concat([raw, Uint8Array.from(field)]);
    }
    field.push(Number(rest & 0x7fn) | 0x80);
  }
}

async function timed(into, work) {
  const before = process.cpuUsage();
  const began = performance.now();
  const value = await work();
  into.wall.push((performance.now() - began) / 1000);
  const { user, system } = process.cpuUsage(before);
  into.cpu.push((user + system) / 1e6);
  return value;
}
