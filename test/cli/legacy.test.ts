/** symbolize and explain on profiles that are no protobuf. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { convertLegacy } from '../../src/legacy/legacy.ts';
import { resym } from '../support/cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-legacy-'));
after(() => rmSync(dir, { recursive: true }));

const heap = readFileSync(fileURLToPath(new URL('../fixtures/legacy/cppbench.heap', import.meta.url)));
const cpu = readFileSync(fileURLToPath(new URL('../fixtures/legacy/cppbench.cpu', import.meta.url)));
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

test('a file, stdin and a directory of them', async () => {
  writeFileSync(join(dir, 'app.0001.heap'), heap);
  writeFileSync(join(dir, 'cpu.prof'), gzipSync(cpu));
  const one = await resym(['symbolize', join(dir, 'cpu.prof'), '-o', '-']);
  assert.equal(one.code, 0, one.stderr);
  assert.deepEqual(plain(gunzipSync(one.stdout)), plain(convertLegacy(cpu)));
  const piped = await resym(['symbolize', '-', '-o', '-'], { stdin: heap });
  assert.deepEqual(plain(gunzipSync(piped.stdout)), plain(convertLegacy(heap)));
  const all = await resym(['symbolize', dir, '-o', join(dir, 'out/')]);
  assert.equal(all.code, 0, all.stderr);
  assert.deepEqual(plain(gunzipSync(readFileSync(join(dir, 'out', 'app.0001.heap')))), plain(convertLegacy(heap)));
  assert.deepEqual(plain(gunzipSync(readFileSync(join(dir, 'out', 'cpu.prof')))), plain(convertLegacy(cpu)));
});

test('explain', async () => {
  const { code, stdout, stderr } = await resym(['explain', '-', '--json'], { stdin: heap });
  assert.equal(code, 0, stderr);
  const { locations, mappings } = JSON.parse(stdout.toString()) as {
    locations: { total: number };
    mappings: { file: string }[];
  };
  assert.ok(locations.total > 0 && mappings.length > 0);
});

test('damaged: the line is named', async () => {
  const { code, stderr } = await resym(['symbolize', '-', '-o', '-'], {
    stdin: Buffer.from('heap profile: 1: 1 [1: 1] @ heapprofile\nhello\n'),
  });
  assert.equal(code, 1);
  assert.match(stderr, /heap profile\+0x28: line 2/);
});
