import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

/** What was recorded from the stripped service: see assets/README.md. */
const ASSETS = new URL('../../src/demo/assets/', import.meta.url);

const PROFILES = ['profile', 'heap', 'allocs', 'goroutine', 'mutex', 'block'];

/** A profile really runs for its seconds; a replay need not try anyone's patience. */
const MAX_WAIT_SECONDS = 2;

/** The unstripped build the recorded profiles belong to. */
export function recordedBinary(): Buffer {
  return gunzipSync(readFileSync(new URL('shop.gz', ASSETS)));
}

/** A recorded profile, gzipped, as the service sent it. */
export function recordedProfile(name: string): Buffer {
  return readFileSync(new URL(`${name}.pb.gz`, ASSETS));
}

/** A service endpoint that answers with the recorded profiles. */
export async function startReplay(): Promise<{ url: string; close: () => Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://replay');
    const name = /^\/debug\/pprof\/(\w+)$/.exec(url.pathname)?.[1] ?? '';
    if (!PROFILES.includes(name)) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Go-Pprof': '1' });
      response.end('Unknown profile\n');
      return;
    }
    const seconds = name === 'profile' ? Math.min(Number(url.searchParams.get('seconds')) || 1, MAX_WAIT_SECONDS) : 0;
    void delay(seconds * 1000).then(() => {
      response.writeHead(200, {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': `attachment; filename="${name}"`,
        'X-Content-Type-Options': 'nosniff',
      });
      response.end(recordedProfile(name));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
