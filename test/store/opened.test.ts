import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { recordedBinary } from '../../src/demo/replay.ts';
import { FormatError } from '../../src/errors.ts';
import { OpenedBinaries } from '../../src/store/opened.ts';
import { alone } from '../support/alone.ts';

const bytes = recordedBinary();

function opener() {
  const seen = { opened: 0, released: 0 };
  const open = async () => {
    seen.opened++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return alone({ source: new BufferSource(bytes), release: () => void seen.released++ });
  };
  return { seen, open };
}

describe('open binaries', () => {
  it('open once for all who ask at the same time, and stay warm', async () => {
    const { seen, open } = opener();
    const opened = new OpenedBinaries();
    const leases = await Promise.all(Array.from({ length: 20 }, () => opened.lease('a', 'shop', open)));
    assert.equal(seen.opened, 1);
    assert.ok(leases.every((lease) => lease.binary === leases[0].binary));
    for (const lease of leases) lease.release();
    (await opened.lease('a', 'shop', open)).release();
    assert.deepEqual(seen, { opened: 1, released: 0 });
  });

  it('give back what lookups took when two others were used since, and answer as before', async () => {
    const { open } = opener();
    const opened = new OpenedBinaries();
    const first = await opened.lease('a', 'a', open);
    const { symbols } = first.binary;
    const go = symbols.go!;
    const asked = [go.minPc, go.minPc + 100, go.maxPc - 1].map((address) => ({
      address,
      found: symbols.lookup(address),
    }));
    assert.ok(asked[0].found !== null && go.table.heldBytes > 0);
    const use = async (key: string): Promise<void> => (await opened.lease(key, key, open)).release();
    for (const key of ['b', 'c', 'd']) await use(key);
    assert.ok(go.table.heldBytes > 0, 'it is leased');
    first.release();
    await use('b');
    assert.ok(go.table.heldBytes > 0, 'only one other was used');
    await use('c');
    assert.equal(go.table.heldBytes, 0);
    for (const { address, found } of asked) assert.deepEqual(symbols.lookup(address), found);
    assert.ok(go.table.heldBytes > 0);
    await use('a');
    await use('d');
    assert.ok(go.table.heldBytes > 0);
    await use('b');
    assert.equal(go.table.heldBytes, 0);
  });

  it('close an evicted binary with its last lease, not before', async () => {
    const { seen, open } = opener();
    const opened = new OpenedBinaries(1);
    const first = await opened.lease('a', 'a', open);
    const second = await opened.lease('a', 'a', open);
    (await opened.lease('b', 'b', open)).release();
    assert.equal(seen.released, 0);
    assert.ok(first.binary.symbols.go!.functionCount > 0);
    first.release();
    first.release();
    assert.equal(seen.released, 0);
    second.release();
    assert.equal(seen.released, 1);
  });

  it('hand out only what is open, however small the cache', async () => {
    const { seen, open } = opener();
    const opened = new OpenedBinaries(1);
    const keys = Array.from({ length: 12 }, (_, i) => String(i % 4));
    const leases = await Promise.all(keys.map((key) => opened.lease(key, key, open)));
    assert.equal(seen.opened - seen.released, new Set(leases.map((lease) => lease.binary)).size);
    for (const lease of leases) lease.release();
    opened.clear();
    assert.equal(seen.released, seen.opened);
  });

  it('let the next caller try again after a failure, and release what was opened', async () => {
    let released = 0;
    const broken = () =>
      Promise.resolve(alone({ source: new BufferSource(bytes.subarray(0, 100)), release: () => void released++ }));
    const opened = new OpenedBinaries();
    await assert.rejects(opened.lease('a', 'a', broken), FormatError);
    assert.equal(released, 1);
    const { open } = opener();
    (await opened.lease('a', 'a', open)).release();
  });
});
