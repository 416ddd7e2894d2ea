/** /symbol: always 200, addresses as they were sent, never a name from another process. Contract 3.3. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { MappedRange } from '../../src/symbolize/rebase.ts';
import type { ResolvedMapping } from '../../src/pipeline.ts';
import { parseAddresses } from '../../src/serve/symbol.ts';
import { ask, FakeTarget, PROFILE, rawTarget, result, sendProfile, sendText, startResym } from './harness.ts';

const SYMBOL = '/targets/api/debug/pprof/symbol';
const HEAP = '/targets/api/debug/pprof/heap';

function mapping(start: bigint, limit: bigint, filename = '/srv/api'): ResolvedMapping {
  const range: MappedRange = { start, limit, offset: 0n, filename };
  return { range, reopen: null };
}

/** A target with a heap profile; what it says of symbols is counted. */
async function service(t: Parameters<typeof FakeTarget.start>[0], symbols = sendText(405, 'Method Not Allowed\n')) {
  return FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE), '/debug/pprof/symbol': symbols });
}

test('names come from the mappings of the latest profile', async (t) => {
  const target = await service(t);
  const { url, engine } = await startResym(t, { api: target.url });
  const known = [mapping(0x400000n, 0x600000n)];
  engine.answer = (body) => result({ body, mappings: known });
  engine.symbolNames = (mappings, addresses) => {
    assert.equal(mappings, known);
    return Promise.resolve(addresses.map((address) => (address === 0x487a93n ? 'main.step' : null)));
  };
  await ask(url, HEAP);
  for (const [method, path, body] of [
    ['POST', SYMBOL, '0x487a93+0x465e31'],
    ['GET', `${SYMBOL}?0x487a93+0x465e31`, ''],
    ['GET', `${SYMBOL}?0x487a93%2B0x465e31`, ''],
    ['POST', '/debug/pprof/symbol', '0x487a93+0x465e31'],
    ['POST', '/debug/pprof/symbolz', '0x487a93+0x465e31'],
    ['POST', '/targets/api/symbolz', '0x487a93+0x465e31'],
    ['POST', '/symbolz', '0x487a93+0x465e31'],
  ] as const) {
    const answer = await ask(url, path, { method, body });
    assert.equal(answer.status, 200, path);
    assert.equal(answer.text, 'num_symbols: 1\n0x487a93 main.step\n', `${method} ${path}`);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  }
});

test('nothing asked, nothing known, nothing sensible: still 200', async (t) => {
  const target = await service(t);
  const { url } = await startResym(t, { api: target.url, other: target.url });
  for (const path of [SYMBOL, '/debug/pprof/symbol', '/targets/symbolz', '/symbolz']) {
    for (const method of ['GET', 'POST']) {
      for (const asked of ['', '0x1', '0xzz+12+0x11111111111111111+', 'a=b&c']) {
        const where = method === 'GET' ? `${path}?${asked}` : path;
        const answer = await ask(url, where, { method, body: method === 'GET' ? '' : asked });
        assert.equal(answer.status, 200);
        assert.equal(answer.text, 'num_symbols: 1\n');
      }
    }
    const head = await ask(url, path, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
  }
});

test('what resym does not know, the target is asked: by GET, in pieces', async (t) => {
  const target = await service(t, (req, res) => {
    const asked = (req.url ?? '').split('?')[1].split('+');
    const lines = asked.map((address) => `${address} ${address === '0x401000' ? '' : `f${address.slice(2)}`}\n`);
    sendText(200, `num_symbols: 1\n${lines.join('')}`)(req, res);
  });
  const { url, engine } = await startResym(t, { api: target.url });
  engine.answer = (body) => result({ body, mappings: [mapping(0x400000n, 0x600000n)] });
  engine.symbolNames = (_mappings, addresses) => Promise.resolve(addresses.map((_, i) => (i === 0 ? 'ours' : null)));
  await ask(url, HEAP);
  const asked = ['0x400ABC', '0x401000', ...Array.from({ length: 900 }, (_, i) => `0x${(0x500000 + i).toString(16)}`)];
  const { text } = await ask(url, SYMBOL, { method: 'POST', body: asked.join('+') });
  const lines = text.split('\n');
  assert.equal(lines[1], '0x400ABC ours');
  assert.equal(lines[2], '0x500000 f500000', 'the address without a name has no line');
  assert.equal(lines.length, 1 + 1 + 900 + 1);
  assert.equal(lines.at(-1), '');
  const requests = target.requests.filter((request) => request.url.startsWith('/debug/pprof/symbol'));
  assert.equal(requests.length, 3);
  for (const { method, url } of requests) {
    assert.equal(method, 'GET');
    assert.ok(url.length < 8000);
    assert.ok(!url.includes('400abc'));
  }
});

test('a target that refuses, fails or is slow changes nothing', async (t) => {
  const failing: Record<string, string> = {
    refuses: (await service(t)).url,
    down: 'http://127.0.0.1:1',
    breaks: await rawTarget(t, (socket) => socket.destroy()),
    silent: await rawTarget(t, () => undefined),
    trickles: await rawTarget(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => socket.write('0x401000'), 100);
      socket.on('close', () => clearInterval(timer));
    }),
    endless: await rawTarget(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => socket.write(`${'x'.repeat(65536)}\n`), 5);
      socket.on('close', () => clearInterval(timer));
    }),
  };
  const { url } = await startResym(t, failing);
  for (const name of Object.keys(failing)) {
    const started = performance.now();
    const answer = await ask(url, `/targets/${name}/debug/pprof/symbol`, { method: 'POST', body: '0x401000' });
    assert.equal(answer.status, 200, name);
    assert.equal(answer.text, 'num_symbols: 1\n', name);
    assert.ok(performance.now() - started < 2500, name);
  }
});

test('an engine that fails or hangs changes nothing', async (t) => {
  const target = await service(t);
  const running = await startResym(t, { api: target.url }, { limits: { budgetMs: 50 } });
  running.engine.answer = (body) => result({ body, mappings: [mapping(0n, 0n)] });
  await ask(running.url, HEAP);
  running.engine.symbolNames = () => Promise.reject(new Error('boom'));
  assert.equal((await ask(running.url, `${SYMBOL}?0x1`)).text, 'num_symbols: 1\n');
  assert.match(running.logText(), /boom/);
  running.engine.symbolNames = () => new Promise(() => undefined);
  assert.equal((await ask(running.url, `${SYMBOL}?0x1`)).text, 'num_symbols: 1\n');
});

test('addresses of a process nobody has seen are not read with the layout of another', async (t) => {
  const target = await service(t);
  const { url, engine } = await startResym(t, { api: target.url, twin: target.url });
  const first = [mapping(0x55a000000000n, 0x55a000100000n)];
  const second = [mapping(0x560000000000n, 0x560000100000n)];
  engine.symbolNames = (mappings, addresses) =>
    Promise.resolve(addresses.map(() => (mappings[0].range.limit === 0x55a000100000n ? 'from first' : 'from second')));
  for (const mappings of [first, second]) {
    engine.answer = (body) => result({ body, mappings });
    await ask(url, HEAP);
  }
  const name = async (addresses: string, mount = SYMBOL) =>
    (await ask(url, `${mount}?${addresses}`)).text.replace('num_symbols: 1\n', '');
  assert.equal(await name('0x55a000000001'), '0x55a000000001 from first\n', 'an older replica');
  assert.equal(await name('0x560000000001'), '0x560000000001 from second\n');
  assert.equal(await name('0x55a000000001+0x560000000001'), '', 'no process has both');
  assert.equal(await name('0x570000000000'), '');

  // Where two layouts hold an address, the process seen last is meant.
  const third = [mapping(0x55a000000000n, 0x560000100000n)];
  const latest = async (mappings: ResolvedMapping[]) => {
    engine.answer = (body) => result({ body, mappings });
    await ask(url, HEAP);
    return name('0x55a000000001');
  };
  assert.equal(await latest(third), '0x55a000000001 from second\n');
  assert.equal(await latest(first), '0x55a000000001 from first\n');
  assert.equal(await latest(third), '0x55a000000001 from second\n');

  assert.equal(await name('0x560000000001', '/targets/twin/debug/pprof/symbol'), '', 'another target');
});

test('the list of addresses is bounded; a name is one line', async (t) => {
  const target = await service(t);
  const { url, engine } = await startResym(t, { api: target.url }, { limits: { maxSymbolBytes: 1000 } });
  const answer = await ask(url, SYMBOL, { method: 'POST', body: '0x1+'.repeat(1000) });
  assert.equal(answer.status, 413);
  assert.equal(answer.headers['x-go-pprof'], '1');
  engine.answer = (body) => result({ body, mappings: [mapping(0n, 0n)] });
  engine.symbolNames = (_mappings, addresses) => Promise.resolve(addresses.map(() => 'a\r\n0x2 forged größe'));
  await ask(url, HEAP);
  assert.equal((await ask(url, `${SYMBOL}?0x1`)).text, 'num_symbols: 1\n0x1 a 0x2 forged größe\n');
});

test('addresses as pprof and its kin write them', () => {
  const texts = (text: string) => parseAddresses(text).map((asked) => asked.text);
  assert.deepEqual(texts('0x1+0xFF+0xffffffffffffffff\n'), ['0x1', '0xFF', '0xffffffffffffffff']);
  assert.deepEqual(texts('0x1%2b0x2%2B0x3'), ['0x1', '0x2', '0x3']);
  assert.deepEqual(texts('0x+12+1+0x10000000000000000+main'), []);
  assert.equal(parseAddresses('0xffffffffffffffff')[0].address, 2n ** 64n - 1n);
});
