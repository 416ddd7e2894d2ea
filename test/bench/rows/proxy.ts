/** Rows 8 and 11: the proxy under load, and its memory after many large builds. */
import { readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bigGo, SIZES } from '../big-go.ts';
import { otherBuild, profileOf } from '../builds.ts';
import { benchCache, Missing, RESYM, TEMPORARY } from '../cache.ts';
import { checkGoFrames, countLines, profileFrames } from '../frames.ts';
import { compiler, libjvm, longerProfile, sampledProfile } from '../inputs.ts';
import { cleanEnv, exec } from '../measure.ts';
import type { Report, Row, Settings } from '../row.ts';
import { type Load, load, memoryOf, startServe, startUpstream } from '../servers.ts';

const CLIENTS = 32;

const addTo = (store: string, ...files: readonly string[]) =>
  exec(process.execPath, [RESYM, 'store', 'add', '--store', store, ...files], { env: cleanEnv(), timeout: 600_000 });

async function underLoad(settings: Settings, report: Report): Promise<void> {
  const input = await compiler();
  if (input instanceof Missing) return report.note(input.reason);
  const jvm = settings.quick ? new Missing('not in a quick run') : await libjvm();
  const store = join(settings.scratch, 'row8-store');
  await addTo(store, input.binary, ...(jvm instanceof Missing ? [] : [jvm.code, jvm.compressed]));
  const profile = await longerProfile(input.bare, 250e3);
  const output = join(settings.scratch, 'row8.pb.gz');
  const title = `${CLIENTS} clients, ${(statSync(profile).size / 1e3).toFixed(0)} KB raw`;
  const seconds = settings.quick ? 2 : 8;
  const loads: Load[] = [];
  const upstream = await startUpstream(profile);
  try {
    const direct = await load(`${upstream.url}/debug/pprof/profile`, CLIENTS, Math.min(3, seconds), output);
    report.say(title, 'upstream, direct', loadText(direct));
    // Warm servers: several, in case one is unlucky.
    const rounds = settings.quick ? 1 : Math.min(3, settings.runs);
    for (let round = 0; round < rounds; round++) {
      const proxy = await startServe(upstream, store);
      try {
        const url = `${proxy.url}/targets/api/debug/pprof/profile`;
        await load(url, 4, settings.quick ? 1 : 3, output); // opens the binary
        const found = await load(url, CLIENTS, seconds, output);
        loads.push(found);
        report.say(title, 'resym serve', `${loadText(found)}; RSS ${memoryOf(proxy.pid).rss.toFixed(0)} MB`);
        checkGoFrames(report, title, 'last answer', profileFrames(output), input);
        const all = (found.statuses['enriched'] ?? 0) === found.requests && found.errors === 0;
        report.check(title, 'all enriched', all, JSON.stringify({ ...found.statuses, ...found.failures }));
        if (round === 0) {
          const same = join(settings.scratch, 'row8-same.pb.gz');
          writeFileSync(same, gzipSync(readFileSync(profile), { level: 1 }));
          const again = await load(`${url}?file=${encodeURIComponent(same)}`, CLIENTS, Math.min(3, seconds), output);
          report.say(`${title}, the same each time`, 'resym serve', loadText(again));
        }
        if (round === rounds - 1 && !(jvm instanceof Missing))
          await whileIndexing(report, url, upstream.url, await sampledProfile(jvm.code, 1000), found, output);
      } finally {
        await proxy.stop();
      }
    }
  } finally {
    await upstream.stop();
  }
  const middle = [...loads].sort((a, b) => rate(a) - rate(b))[loads.length >> 1];
  const least = { case: title, what: 'profiles/s', unit: '/s', side: 'at least' as const };
  report.verdict({ ...least, value: rate(middle), limit: 300 });
  report.verdict({ case: title, what: 'p99', to: 'p50', value: middle.p99 / middle.p50, limit: 2.5 });
  report.verdict({
    case: title,
    what: 'errors',
    value: loads.reduce((n, { errors }) => n + errors, 0),
    limit: 0,
    unit: '',
  });
  if (jvm instanceof Missing) report.note(`while an index is built: ${jvm.reason}`);
}

const rate = ({ requests, seconds }: Load): number => requests / seconds;
const loadText = (found: Load): string =>
  `${rate(found).toFixed(0)}/s, p50 ${found.p50.toFixed(1)} ms, p99 ${found.p99.toFixed(1)} ms, max ${found.max.toFixed(0)} ms, ${found.errors} errors`;

/** The first profile of a large C++ library makes resym read its debug info; the others must hardly notice. */
async function whileIndexing(
  report: Report,
  url: string,
  upstream: string,
  jvmProfile: string,
  quiet: Load,
  output: string,
): Promise<void> {
  const title = `${CLIENTS} clients while 150 MB of DWARF are read`;
  const began = performance.now();
  const first = fetch(`${url}?file=${encodeURIComponent(jvmProfile)}`).then(
    async (response) => {
      await response.arrayBuffer();
      return `${response.headers.get('resym-status')} after ${((performance.now() - began) / 1000).toFixed(1)} s`;
    },
    (error: Error) => `failed: ${error.message}`,
  );
  const busy = await load(url, CLIENTS, 8, output);
  report.say(title, 'resym serve', loadText(busy));
  report.note(`${title}: the profile of the library was ${await first}, asked of ${upstream}`);
  report.verdict({ case: title, what: 'p99', to: 'p99 before', value: busy.p99 / quiet.p99, limit: 2 });
  const again = await fetch(`${url}?file=${encodeURIComponent(jvmProfile)}`);
  report.note(`${title}: asked again, the profile of the library was ${again.headers.get('resym-status')}`);
}

async function manyBuilds(settings: Settings, report: Report): Promise<void> {
  const size = settings.quick ? SIZES[0] : SIZES[SIZES.length - 1];
  const binary = await bigGo(size);
  if (binary instanceof Missing) return report.note(binary.reason);
  const bytes = statSync(binary).size;
  const { bavail, bsize } = statfsSync(benchCache());
  const room = Math.floor((bavail * bsize * 0.8) / bytes) - 2;
  const builds = Math.min(settings.quick ? 3 : 20, room);
  const title = `${builds} builds of ${(bytes / 1e6).toFixed(0)} MB`;
  if (builds < 2) return report.note(`no room for copies of ${(bytes / 1e6).toFixed(0)} MB`);
  // Beside the cache: scratch may be memory.
  const dir = join(benchCache(), `${TEMPORARY}builds-${process.pid}`);
  const store = join(dir, 'store');
  try {
    const profile = await sampledProfile(binary, 1000);
    const profiles: string[] = [];
    for (let i = 0; i < builds; i++) {
      const { path, buildId } = otherBuild(binary, dir, i);
      await addTo(store, path);
      rmSync(path);
      const own = join(settings.scratch, `row11-${i}.pb.gz`);
      writeFileSync(own, profileOf(profile, buildId));
      profiles.push(own);
    }
    const upstream = await startUpstream(profile);
    const proxy = await startServe(upstream, store);
    try {
      let enriched = 0;
      for (const own of profiles) enriched += (await isNamed(proxy.url, own)) ? 1 : 0;
      const after = memoryOf(proxy.pid);
      for (const own of profiles.slice(0, 5)) await isNamed(proxy.url, own);
      await delay(1000);
      const later = memoryOf(proxy.pid);
      report.say(
        title,
        'resym serve',
        `RSS ${after.rss.toFixed(0)} MB, a little later ${later.rss.toFixed(0)} MB; peak ${later.peak.toFixed(0)} MB`,
      );
      report.verdict({ case: title, what: 'RSS', value: Math.max(after.rss, later.rss), unit: 'MB', limit: 200 });
      report.verdict({ case: title, what: 'peak RSS', value: later.peak, unit: 'MB', limit: null });
      report.check(title, 'all named', enriched === builds, `${enriched} of ${builds}`);
    } finally {
      await proxy.stop();
      await upstream.stop();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Asks until the profile is whole: the first time resym may still be opening the binary. */
async function isNamed(proxy: string, profile: string): Promise<boolean> {
  for (let tries = 0; tries < 5; tries++) {
    const url = `${proxy}/targets/api/debug/pprof/profile?file=${encodeURIComponent(profile)}`;
    const response = await fetch(url, { headers: { 'Accept-Encoding': 'identity' } });
    const body = Buffer.from(await response.arrayBuffer());
    const { locations, lines } = countLines(body[0] === 0x1f ? gunzipSync(body) : body);
    if (response.headers.get('resym-status')?.startsWith('enriched') && lines >= locations) return true;
    await delay(500);
  }
  return false;
}

export const rows: readonly Row[] = [
  { number: 8, title: 'proxy under load', run: underLoad },
  { number: 11, title: 'memory after many builds', run: manyBuilds },
];
