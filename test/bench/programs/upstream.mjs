/**
 * A service with profiles: answers every request with a profile, no two of 256 running alike.
 *
 *   node upstream.mjs DEFAULT_RAW_PROFILE
 *
 * ?file=PATH answers with the bytes of that file. Prints its port as its first line.
 */
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';

const VARIANTS = 256;
const raw = readFileSync(process.argv[2]);
const bodies = Array.from({ length: VARIANTS }, (_, i) => {
  // time_nanos, field 9: five bytes of varint
  const time = [9 << 3, 0x80 | (i & 0x7f), 0x80 | (i >> 7), 0x80, 0x80, 1];
  return gzipSync(Buffer.concat([raw, Uint8Array.from(time)]), { level: 1 });
});
let next = 0;
const server = createServer((request, response) => {
  const file = new URL(request.url, 'http://upstream').searchParams.get('file');
  const body = file === null ? bodies[next++ % VARIANTS] : readFileSync(file);
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': body.length });
  response.end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
