import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connections } from '../../src/source/connections.ts';

test('a server that closes while its answer is read slowly ends nothing but the connection', async (t) => {
  for (const [size, length] of [
    [64 * 1024, true],
    [64 * 1024, false],
    [3 << 20, true],
    [200_000, false],
  ] as const) {
    const body = Buffer.alloc(size, 0x61);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${length ? `Content-Length: ${size}\r\n` : ''}Connection: close\r\n\r\n`);
        socket.end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const agent = connections({ pipelining: 0, connect: { timeout: 4000 } });
    t.after(async () => {
      await agent.destroy();
      server.close();
    });
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const answer = await agent.request({ origin, path: '/', method: 'GET' });
    await delay(150);
    const chunks: Buffer[] = [];
    for await (const chunk of answer.body) {
      chunks.push(chunk as Buffer);
      if (chunks.length < 5) await delay(20);
    }
    assert.ok(Buffer.concat(chunks).equals(body), `${size} bytes, ${length ? 'with' : 'without'} a length`);
  }
});

test('a server that breaks off while its answer is read slowly is an error of that request', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\nConnection: close\r\n\r\n');
      socket.write(Buffer.alloc(300_000), () => socket.resetAndDestroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const agent = connections({ pipelining: 0 });
  t.after(async () => {
    await agent.destroy();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = await agent.request({ origin, path: '/', method: 'GET' });
  await delay(150);
  await assert.rejects(answer.body.arrayBuffer());
});
