import { existsSync } from 'node:fs';
import { pino } from 'pino';
import { ConfigError, type Flags, loadConfig } from '../config.ts';
import { messageOf } from '../errors.ts';
import { openEngine } from '../open-engine.ts';
import { createApp } from '../serve/app.ts';
import { closeOnSignal, HttpServer } from '../serve/server.ts';
import { Target } from '../source/target.ts';
import { UsageError } from './usage.ts';

export async function serve(flags: Flags): Promise<void> {
  const { config, targets } = configure(flags);
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  const storeDir = existsSync(config.storeDir) ? config.storeDir : null;
  if (storeDir === null) {
    logger.warn({ store: config.storeDir }, 'there is no archive yet: profiles pass through until there is one');
  }
  const engine = await openEngine(storeDir);
  const server = new HttpServer();
  const app = createApp({
    targets,
    defaultTarget: config.defaultTarget,
    resymbolizer: engine,
    output: { identity: config.identity, docUrl: config.docUrl, sourceMap: config.sourceMap },
    limits: { budgetMs: config.budgetMs, maxProfileBytes: config.maxProfileBytes },
    logger,
    isDraining: () => server.draining,
  });
  await server.listen(app, config.listen);
  logger.info({ url: server.url, store: storeDir, targets: [...targets.keys()] }, `listening on ${server.url}`);
  await closeOnSignal(server, { onStop: (signal) => logger.info({ signal }, 'finishing what is under way') });
  await Promise.all([...targets.values()].map((target) => target.close()));
}

/** A configuration that cannot be used is a usage error. */
function configure(flags: Flags) {
  try {
    const config = loadConfig(flags, process.env);
    const targets = new Map([...config.targets].map(([name, target]) => [name, new Target(name, target)]));
    return { config, targets };
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(messageOf(error)) : error;
  }
}
