/** `resym store push` to a real server, and to ones that are not at their best. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { resym } from '../support/cli.ts';
import { startServe } from '../support/serve.ts';
import { GO_124, TWIN_FULL, TWIN_STRIPPED } from '../store/samples.ts';

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

test('files and directories go to the server, once', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'resym-push-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const token = 'a-token-of-this-test';
  const hash = createHash('sha256').update(token).digest('hex');
  const { url, log } = await startServe(t, ['--store', join(dir, 'store')], {
    RESYM_AUTH_TOKENS: `ci:${hash}:upload+read`,
  });
  const env = { RESYM_TOKEN: token, RESYM_SERVER: url };

  const first = await resym(['store', 'push', TWIN_FULL, TWIN_STRIPPED, '--json'], { env });
  assert.equal(first.code, 0, first.stderr);
  const pushed = JSON.parse(first.stdout.toString()) as { outcome: string; sha256: string }[];
  assert.deepEqual(
    pushed.map(({ outcome }) => outcome),
    ['added', 'added'],
  );
  assert.deepEqual(
    pushed.map((one) => one.sha256),
    [sha256(TWIN_FULL), sha256(TWIN_STRIPPED)],
  );
  const again = await resym(['store', 'push', TWIN_FULL, 'package.json', '--server', url, '--token', token]);
  assert.equal(again.code, 1);
  assert.match(again.stdout.toString(), /already there as \.build-id/);
  assert.match(again.stderr, /package\.json.*not an object file.*\(HTTP 422\)/);
  const refused = await resym(['store', 'push', GO_124, '--server', url, '--token', 'another']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the token is not known \(HTTP 401\)/);
  assert.match(log(), /"audit":"upload".*"caller":"token:ci"/);
  assert.doesNotMatch(log(), new RegExp(token));
  assert.equal((await resym(['store', 'push', GO_124])).code, 2);
});

async function server(
  t: TestContext,
  answer: (req: IncomingMessage, res: ServerResponse, put: number) => void,
): Promise<string> {
  let puts = 0;
  const made = createServer((req, res) => {
    if (req.method === 'GET') res.writeHead(404).end();
    else answer(req, res, ++puts);
  });
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    made.closeAllConnections();
    made.close();
  });
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
}

test('a server that fails for a moment gets the file when it is back', async (t) => {
  let got = Buffer.alloc(0);
  const url = await server(t, (req, res, put) => {
    if (put === 1) res.writeHead(503, { 'Retry-After': '1' }).end('busy\n');
    else if (put === 2) req.socket.resetAndDestroy();
    else {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        got = Buffer.concat(chunks);
        res.writeHead(201).end(JSON.stringify({ binary: { key: 'abcd' }, outcome: 'added', note: 'added as abcd' }));
      });
    }
  });
  const { code, stdout, stderr } = await resym(['store', 'push', GO_124, '--server', url]);
  assert.equal(code, 0, stderr);
  assert.match(stdout.toString(), /added as abcd/);
  assert.ok(gunzipSync(got).equals(readFileSync(GO_124)));
});

test('what a server refuses is not sent again', async (t) => {
  let puts = 0;
  const url = await server(t, (req, res, put) => {
    puts = put;
    req.resume();
    req.on('end', () => res.writeHead(422).end('it is not what was said\n'));
  });
  const { code, stderr } = await resym(['store', 'push', GO_124, '--server', url]);
  assert.equal(code, 1);
  assert.equal(puts, 1);
  assert.match(stderr, /it is not what was said \(HTTP 422\)/);
});
