/**
 * The HTTP server's routes.
 *
 *     /targets/<name>/debug/pprof/...   a target, profiles enriched               proxy.ts
 *     /debug/pprof/...                  the same for the default target
 *     .../pprof/...                     the same as brpc and gperftools have it
 *     .../debug/pprof/symbol            names for addresses, always 200           symbol.ts
 *     /targets/<name>                   redirects to its profile, or its index
 *     POST /symbolize, POST /explain    a profile in the body                     symbolize-endpoint.ts
 *     /binaries, /binaries/<id>         the archive                               binaries.ts
 *     /buildid/<id>/...                 the same as debuginfod has it             build-id.ts
 *     /, /metrics, /healthz, /readyz
 *
 * Whatever goes wrong is told in pprof's own shape (errors.ts).
 */
import { randomBytes } from 'node:crypto';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import { pino, type Logger } from 'pino';
import type { AccessConfig } from '../config.ts';
import type { OutputOptions, Resymbolizer } from '../pipeline.ts';
import type { Target } from '../source/target.ts';
import type { ArchiveCalls } from '../workers/archive-thread.ts';
import { Binaries } from './binaries.ts';
import { BuildIds, type Elsewhere } from './build-id.ts';
import { answerError, HttpProblem, methodNotAllowed, refuseMethod } from './errors.ts';
import { exchangeOf } from './exchange.ts';
import { guard } from './guard.ts';
import { serveHealth, serveReadiness } from './health.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { Metrics, serveMetrics } from './metrics.ts';
import { isPprofPath, type Mount, PPROF_PATH, splitUrl } from './prefix.ts';
import { proxy, type ProxyContext } from './proxy.ts';
import { recordExchange } from './record.ts';
import { serveStatusPage } from './status-page.ts';
import { serveSymbol, SYMBOL_PATHS } from './symbol.ts';
import { SymbolMemory } from './symbol-memory.ts';
import { serveExplain, serveSymbolize } from './symbolize-endpoint.ts';

export interface AppOptions {
  /** By name. The app does not close them. */
  readonly targets: ReadonlyMap<string, Target>;
  /** The target at /debug/pprof; unless told, the only one there is. */
  readonly defaultTarget?: string | null;
  readonly resymbolizer: Resymbolizer;
  readonly limits?: Partial<Limits>;
  /** For all targets that say nothing else. */
  readonly output?: OutputOptions;
  /** Silent unless given. */
  readonly logger?: Logger;
  /** null: everybody may do everything. */
  readonly access?: AccessConfig | null;
  /** null: there is none. */
  readonly archive?: ArchiveCalls | null;
  /** Whom to ask for files that the archive lacks; null: nobody. */
  readonly elsewhere?: Elsewhere | null;
  /** Told of every key of the archive that has got a new file. */
  readonly onAdded?: (key: string) => void;
  /** True once the server takes no new work; see server.ts. */
  readonly isDraining?: () => boolean;
}

/** Longest list of targets in an error message. */
const MAX_LISTED = 50;

export function createApp(options: AppOptions): Express {
  const { targets, resymbolizer } = options;
  const logger = options.logger ?? pino({ enabled: false });
  const only = targets.size === 1 ? [...targets.keys()][0] : null;
  const defaultName = options.defaultTarget ?? only;
  const defaultTarget = defaultName === null ? null : (targets.get(defaultName) ?? null);
  const metrics = new Metrics();
  const context: ProxyContext = {
    resymbolizer,
    symbols: new SymbolMemory(),
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    output: options.output ?? {},
    via: `1.1 resym-${randomBytes(6).toString('hex')}`,
  };

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.use(recordExchange(logger, metrics));
  app.use(guard({ access: options.access ?? null, defaultTarget: defaultName, logger }));

  const page = (path: string, route: string, handler: RequestHandler): void => {
    app.get(path, on(route), handler);
    app.all(path, methodNotAllowed('GET', 'HEAD'));
  };
  page('/healthz', 'health', serveHealth);
  page('/readyz', 'health', serveReadiness(options.isDraining ?? (() => false)));
  page('/metrics', 'metrics', serveMetrics(metrics));
  page('/', 'page', serveStatusPage(targets, defaultName));

  app.post('/symbolize', on('symbolize'), (req, res) => serveSymbolize(context, req, res));
  app.post('/explain', on('explain'), (req, res) => serveExplain(context, req, res));
  app.all(['/symbolize', '/explain'], methodNotAllowed('POST'));

  const { archive = null, onAdded = () => undefined } = options;
  if (archive !== null) {
    const binaries = new Binaries({ archive, limits: context.limits, logger, onAdded });
    app.put(['/binaries', '/binaries/', '/binaries/:name'], on('upload'), binaries.put);
    app.get(['/binaries', '/binaries/'], on('archive'), binaries.list);
    app.get('/binaries/*id', on('archive'), binaries.get);
    app.delete('/binaries/*id', on('archive'), binaries.remove);
    app.all(['/binaries', '/binaries/'], methodNotAllowed('GET', 'HEAD', 'PUT'));
    const buildIds = new BuildIds(archive, options.elsewhere ?? null);
    app.get('/buildid/:id/debuginfo', on('debuginfod'), buildIds.debuginfo);
    app.get('/buildid/:id/executable', on('debuginfod'), buildIds.executable);
    app.get('/buildid/:id/section/:section', on('debuginfod'), buildIds.section);
    app.get('/buildid/:id/source/*path', on('debuginfod'), buildIds.source);
    app.all('/buildid/*path', methodNotAllowed('GET', 'HEAD'));
    app.all('/binaries/*id', methodNotAllowed('GET', 'HEAD', 'PUT', 'DELETE'));
  }

  app.use('/targets/:name', on('proxy'), (req, res) => {
    const name = String(req.params['name']);
    const target = targets.get(name);
    // pprof asks there when it was sent to /targets/<name> and followed the redirect; see symbol.ts
    if (target === undefined && name === 'symbolz') return serveSymbol(context, null, req, res);
    if (target === undefined)
      throw new HttpProblem(404, `there is no target ${JSON.stringify(name)}; ${listOf(targets)}`);
    return serveTarget(context, target, req.baseUrl, req, res);
  });
  app.use((req, res, next) => {
    const { path } = splitUrl(req.url);
    if (!isPprofPath(path) && path !== '/symbolz') return next();
    exchangeOf(res).route = 'proxy';
    if (defaultTarget === null && SYMBOL_PATHS.has(path)) return serveSymbol(context, null, req, res);
    if (defaultTarget === null)
      throw new HttpProblem(404, `no target is the default; ask for /targets/<name>${path}: ${listOf(targets)}`);
    return serveTarget(context, defaultTarget, '', req, res);
  });

  app.use((req) => {
    throw new HttpProblem(404, `there is nothing at ${splitUrl(req.originalUrl).path}; ${listOf(targets)}`);
  });
  app.use(answerError);
  return app;
}

/** Everything below a target's mount point; `req.url` is the path below it. */
async function serveTarget(
  context: ProxyContext,
  target: Target,
  mount: Mount,
  req: Request,
  res: Response,
): Promise<void> {
  const exchange = exchangeOf(res);
  exchange.target = target.name;
  const { path, query } = splitUrl(req.url);
  const isGet = req.method === 'GET' || req.method === 'HEAD';
  if (SYMBOL_PATHS.has(path)) {
    exchange.route = 'symbol';
    if (isGet || req.method === 'POST') return serveSymbol(context, target, req, res);
    return refuseMethod(req, res, 'GET', 'HEAD', 'POST');
  }
  if (!isGet) return refuseMethod(req, res, 'GET', 'HEAD');
  if (isPprofPath(path)) return proxy(context, target, mount, req, res);
  if (path !== '/' && path !== '')
    throw new HttpProblem(404, `there is nothing at ${mount}${path}; profiles are at ${mount}${PPROF_PATH}/`);
  // A person gets the list to choose from, pprof the profile it takes by default.
  const wanted = req.get('accept')?.includes('text/html') === true ? '' : 'profile';
  res.redirect(302, `${mount}${PPROF_PATH}/${wanted}${query}`);
}

/** Names the part of the server that a request went to. */
function on(route: string): RequestHandler {
  return (_req, res, next) => {
    exchangeOf(res).route = route;
    next();
  };
}

function listOf(targets: ReadonlyMap<string, Target>): string {
  const names = [...targets.keys()];
  if (names.length === 0) return 'no targets are configured';
  const more = names.length > MAX_LISTED ? `, and ${names.length - MAX_LISTED} more` : '';
  return `targets: ${names.slice(0, MAX_LISTED).join(', ')}${more}`;
}
