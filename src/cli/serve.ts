import { existsSync, statSync } from 'node:fs';
import { mkdir, opendir } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { type Logger, pino } from 'pino';
import { isBucketPlace } from '../bucket/location.ts';
import { type Config, loadConfig } from '../config.ts';
import { ConfigError, type Flags } from '../flags.ts';
import { messageOf } from '../errors.ts';
import type { Resymbolizer } from '../pipeline.ts';
import type { AppOptions } from '../serve/app.ts';
import { closeOnSignal, HttpServer } from '../serve/server.ts';
import type { ServerCertificate } from '../serve/tls.ts';
import { Target } from '../source/target.ts';
import { StoreError } from '../store/store.ts';
import { Archive } from '../workers/archive.ts';
import { EnginePool } from '../workers/engine-pool.ts';
import { GcTimer, type GcTimerOptions } from '../workers/gc-timer.ts';
import { IndexMaker, type IndexMakerOptions } from '../workers/index-maker.ts';
import { hostBucket } from './archive.ts';
import { UsageError } from './usage.ts';

export async function serve(flags: Flags): Promise<void> {
  const { config, targets } = await configure(flags);
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  const archives = await usable(config.archive, logger);
  const upstream = config.debuginfod.urls.length === 0 ? null : await upstreamOf(config, logger);
  if (upstream !== null) archives.push(config.debuginfod.cache);
  const pool = config.workers > 0 ? new EnginePool({ threads: config.workers, archives }) : null;
  const engine = pool ?? (await ownEngine(archives));
  const maker = archives.length === 0 ? null : new IndexMaker(engine, { archives, onMade: tell(logger) });
  const gc =
    config.gc === null || archives.length === 0
      ? null
      : new GcTimer({ archives, ...config.gc, onDone: tellGc(logger) });
  const archive = archives[0] === config.archive ? new Archive({ place: archives[0] }) : null;
  const certificate = await certificateOf(config);
  const server = new HttpServer(certificate, (error) =>
    logger.warn({ problem: messageOf(error) }, 'the new certificate cannot be used: the old one stays'),
  );
  const options: AppOptions = {
    targets,
    defaultTarget: config.defaultTarget,
    resymbolizer: upstream === null ? (maker ?? engine) : upstream.over(maker ?? engine),
    output: { identity: config.identity, docUrl: config.docUrl, sourceMap: config.sourceMap },
    limits: {
      budgetMs: config.budgetMs,
      maxProfileBytes: config.maxProfileBytes,
      maxBinaryBytes: config.maxBinaryBytes,
    },
    logger,
    isDraining: () => server.draining,
    archive,
    elsewhere: upstream?.elsewhere ?? null,
    access: config.access,
    onAdded: (key) => maker?.make(key),
  };
  // Whoever starts a server waits for its port. What serves is loaded behind it: half of the start, were it before.
  let app: Promise<RequestListener> | null = null;
  const load = (): Promise<RequestListener> => (app ??= import('../serve/app.ts').then((m) => m.createApp(options)));
  await server.listen((req, res) => void load().then((answer) => answer(req, res)), config.listen);
  logger.info(
    { url: server.url, archive: archives[0] ?? null, targets: [...targets.keys()] },
    `listening on ${server.url}`,
  );
  await load();
  pool?.warmUp(); // the first profile is to find a thread
  await Promise.all([...targets.values()].map((target) => target.dispatcher()));
  await closeOnSignal(server, { onStop: (signal) => logger.info({ signal }, 'finishing what is under way') });
  await Promise.all([
    upstream?.close(),
    archive?.close(),
    gc?.close(),
    maker?.close(),
    pool?.close(),
    ...[...targets.values()].map((target) => target.close()),
  ]);
}

/**
 * The archive, made if it is not there. None when it cannot be made: then profiles pass through. Rejects with what its threads would
 * find out too late: StoreError or the system's error for what is no directory to be read.
 */
async function usable(place: string, logger: Logger): Promise<string[]> {
  if (isBucketPlace(place)) {
    hostBucket(place);
    return [place];
  }
  if (!existsSync(place)) {
    try {
      await mkdir(place, { recursive: true });
    } catch (error) {
      logger.warn({ archive: place, problem: messageOf(error) }, 'there is no archive: profiles pass through');
      return [];
    }
  }
  if (!statSync(place).isDirectory()) throw new StoreError('no-store', `${place} is no directory`);
  await (await opendir(place)).close();
  return [place];
}

function tell(logger: Logger): IndexMakerOptions['onMade'] {
  return (key, { sizeBytes, problem }) => {
    if (problem !== '') logger.warn({ key, problem }, 'no symbol index was made: its debug info is read as it is');
    else logger.info({ key, sizeBytes }, 'symbol index made');
  };
}

function tellGc(logger: Logger): GcTimerOptions['onDone'] {
  return ({ problem, ...done }) => {
    if (problem !== '') logger.warn({ audit: 'gc', problem }, 'the archive was not cleared of what is old');
    else if (done.overQuotaBytes > 0)
      logger.warn({ audit: 'gc', ...done }, 'the archive is above its quota, and the rest is pinned');
    else logger.info({ audit: 'gc', ...done }, 'the archive was cleared of what is old');
  };
}

/** Loaded only where no thread does: it is most of resym. */
async function ownEngine(archives: readonly string[]): Promise<Resymbolizer> {
  const { openEngine } = await import('../open-engine.ts');
  return openEngine(archives);
}

/** Debuginfod servers, loaded where there are some. */
async function upstreamOf({ debuginfod }: Config, logger: Logger) {
  await mkdir(debuginfod.cache, { recursive: true });
  const [{ openUpstreams }, { UpstreamSymbols }] = await Promise.all([
    import('../source/open-upstreams.ts'),
    import('../source/upstream-symbols.ts'),
  ]);
  const { upstreams, archive, close } = openUpstreams(debuginfod, (problem) => logger.warn({ problem }, 'debuginfod'));
  const over = (engine: Resymbolizer): Resymbolizer => new UpstreamSymbols(engine, upstreams);
  return { over, elsewhere: { upstreams, archive }, close };
}

async function certificateOf({ tls }: Config): Promise<ServerCertificate | null> {
  if (tls === null) return null;
  const { ServerCertificate } = await import('../serve/tls.ts');
  const certificate = new ServerCertificate(tls);
  try {
    certificate.read();
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(messageOf(error)) : error;
  }
  return certificate;
}

/** A configuration that cannot be used is a usage error. */
async function configure(flags: Flags) {
  try {
    const config = await loadConfig(flags, process.env);
    const targets = new Map([...config.targets].map(([name, target]) => [name, new Target(name, target)]));
    return { config, targets };
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(messageOf(error)) : error;
  }
}
