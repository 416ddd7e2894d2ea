/** What the tests of the server need around it: a target that does as told, an engine that does as told, a client that hides nothing. */
import { readFileSync } from 'node:fs';
import http, {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { TargetConfig } from '../../src/config.ts';
import type { ResymOptions, Resymbolizer, ResymResult } from '../../src/pipeline.ts';
import { createApp, type AppOptions } from '../../src/serve/app.ts';
import { HttpServer } from '../../src/serve/server.ts';
import { Target } from '../../src/source/target.ts';

/** A profile as Go 1.26 wrote it. */
export const PROFILE: Buffer = readFileSync(
  fileURLToPath(new URL('../fixtures/profiles/go1.26-heap.pb.gz', import.meta.url)),
);

export function targetConfig(url: string, more: Partial<TargetConfig> = {}): TargetConfig {
  return { url, forwardAuthorization: false, binaries: [], ...more };
}

/** A target written down by its paths. A path that is not there is Go's own 404. */
export class FakeTarget {
  /** Everything it was asked, in order. */
  readonly requests: { method: string; url: string; headers: IncomingHttpHeaders; body: string }[] = [];
  readonly routes: Record<string, (req: IncomingMessage, res: ServerResponse) => void> = {};
  /** Connections it has now. */
  readonly sockets = new Set<Socket>();
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      req.on('end', () => {
        this.requests.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
        const route = this.routes[(req.url ?? '').split('?')[0]] ?? notFound;
        route(req, res);
      });
    });
    this.#server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(t: TestContext, routes: FakeTarget['routes'] = {}): Promise<FakeTarget> {
    const target = new FakeTarget();
    Object.assign(target.routes, routes);
    await new Promise<void>((resolve) => target.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      target.#server.close();
      target.#server.closeAllConnections();
    });
    return target;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
}

/** Answers as net/http/pprof does for a profile. */
export function sendProfile(body: Uint8Array, headers: Record<string, string> = {}): RequestListener {
  return (_req, res) => {
    res.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': 'attachment; filename="heap"',
      'X-Content-Type-Options': 'nosniff',
      ...headers,
    });
    res.end(body);
  };
}

export function sendText(status: number, body: string, headers: Record<string, string> = {}): RequestListener {
  return (_req, res) => {
    res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
    res.end(body);
  };
}

function notFound(_req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(404, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Go-Pprof': '1',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end('Unknown profile\n');
}

/** A target below HTTP: `serve` gets every connection once its request has arrived. */
export async function rawTarget(t: TestContext, serve: (socket: Socket) => void): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => serve(socket));
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A loopback URL nobody listens at. */
export async function deadUrl(): Promise<string> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** Gives back what it got, unless told otherwise. */
export class FakeEngine implements Resymbolizer {
  readonly bodies: Uint8Array[] = [];
  readonly options: ResymOptions[] = [];
  resymbolize: Resymbolizer['resymbolize'] = async (body, options = {}) => {
    this.bodies.push(body);
    this.options.push(options);
    return this.answer(body, options);
  };
  answer: (body: Uint8Array, options: ResymOptions) => ResymResult | Promise<ResymResult> = (body) => result({ body });
  symbolNames: Resymbolizer['symbolNames'] = (_mappings, addresses) => Promise.resolve(addresses.map(() => null));
}

export function result(parts: Partial<ResymResult> & Pick<ResymResult, 'body'>): ResymResult {
  return {
    status: 'unchanged',
    reason: '',
    report: { weighedBy: null, locations: { total: 3, namedBefore: 1, namedAfter: 3 }, mappings: [] },
    timings: [],
    unindexed: [],
    mappings: [],
    ...parts,
  };
}

export interface Running {
  readonly url: string;
  readonly engine: FakeEngine;
  /** The log, one object per line. */
  readonly log: Record<string, unknown>[];
  readonly logText: () => string;
  readonly server: HttpServer;
}

type Overrides = Partial<Omit<AppOptions, 'targets'>>;

/** resym over these targets; closed when the test is over. */
export async function startResym(
  t: TestContext,
  targets: Readonly<Record<string, string | TargetConfig>>,
  overrides: Overrides = {},
): Promise<Running> {
  const made = Object.entries(targets).map(
    ([name, config]) => new Target(name, typeof config === 'string' ? targetConfig(config) : config),
  );
  const engine = new FakeEngine();
  const lines: string[] = [];
  const server = new HttpServer();
  const app = createApp({
    targets: new Map(made.map((target) => [target.name, target])),
    resymbolizer: engine,
    logger: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    isDraining: () => server.draining,
    ...overrides,
  });
  await server.listen(app, { host: '127.0.0.1', port: 0 });
  t.after(async () => {
    await server.close(0);
    for (const target of made) await target.close();
  });
  return {
    url: server.url,
    engine,
    server,
    logText: () => lines.join(''),
    get log() {
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** False when the connection ended before the body did. */
  readonly complete: boolean;
}

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Called with every piece of the body as it comes. */
  readonly onChunk?: (chunk: Buffer) => void;
  readonly signal?: AbortSignal;
}

/** One request over a connection of its own. The path goes out as it is written, dots and all. */
export function ask(base: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const { hostname, port } = new URL(base);
  const { method = 'GET', headers = {}, body, onChunk, signal } = options;
  return new Promise((resolve, reject) => {
    const request = http.request(
      { hostname, port, path, method, headers, agent: false, ...(signal !== undefined && { signal }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          onChunk?.(chunk);
        });
        const done = (): void => {
          const whole = Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: whole,
            text: whole.toString(),
            complete: response.complete,
          });
        };
        response.on('error', () => undefined);
        response.on('close', done);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Waits until it holds; fails after `ms`. */
export async function until(what: string, holds: () => boolean, ms = 5000): Promise<void> {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(5);
  }
}
