/** Options of what is written beside the names, on their way to the engine. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutputOptions } from '../../src/pipeline.ts';
import { ask, FakeTarget, PROFILE, sendProfile, startResym, targetConfig } from './harness.ts';

const ALL: OutputOptions = { identity: true, docUrl: 'https://all/', sourceMap: [{ from: 'GOROOT', to: '/go' }] };

function said({ identity, docUrl, sourceMap }: OutputOptions) {
  return { identity, docUrl, sourceMap };
}

describe('what is written beside the names', () => {
  it('is what the server was told, or the target', async (t) => {
    const upstream = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
    const own: OutputOptions = { identity: false, docUrl: '', sourceMap: [] };
    const { url, engine } = await startResym(
      t,
      { plain: upstream.url, own: targetConfig(upstream.url, { ...own, sourceMap: [] }) },
      { output: ALL, defaultTarget: 'plain' },
    );
    const asked: [string, OutputOptions][] = [
      ['/targets/plain/debug/pprof/heap', ALL],
      ['/debug/pprof/heap', ALL],
      ['/targets/own/debug/pprof/heap', own],
    ];
    for (const [path] of asked) assert.equal((await ask(url, path)).status, 200);
    for (const path of ['/symbolize', '/explain']) {
      assert.equal((await ask(url, path, { method: 'POST', body: PROFILE })).status, 200);
    }
    assert.deepEqual(engine.options.map(said), [...asked.map(([, output]) => output), ALL, ALL]);
    assert.ok(
      engine.options.every(({ repair = false }) => !repair),
      'a proxy repairs nothing',
    );
  });
});
