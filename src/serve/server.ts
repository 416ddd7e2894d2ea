import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServerCertificate } from './tls.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** How long answers under way may take once the server is told to stop: most profiles are 30 s. */
const DRAIN_MS = 35_000;
/** Between two looks at connections that became idle. */
const IDLE_LOOK_MS = 100;
/** Whoever reads a body bounds its time (body.ts, receive.ts); this is for what nobody reads. */
const REQUEST_TIMEOUT_MS = 3 * 3600_000;

/** The listening server, and its orderly end. */
export class HttpServer {
  readonly #server: Server;
  /** Under way. */
  readonly #answers = new Set<ServerResponse>();
  #scheme = 'http';
  #stopWatching: () => void = () => undefined;
  #draining = false;
  #closed: Promise<void> | null = null;

  /** @param certificate for https; the tokens of clients without one of their own are still looked at */
  constructor(
    certificate: ServerCertificate | null = null,
    onBadCertificate: (error: Error) => void = () => undefined,
  ) {
    const options = { requestTimeout: REQUEST_TIMEOUT_MS };
    if (certificate === null) {
      this.#server = createServer(options);
      return;
    }
    const { server, stop } = certificate.createServer(options, onBadCertificate);
    this.#server = server;
    this.#stopWatching = stop;
    this.#scheme = 'https';
  }

  /** True once `close` was called. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Begins to listen. Rejects with the system's error: port taken, host unknown. */
  async listen(app: RequestListener, { host, port }: ServerOptions): Promise<void> {
    this.#server.on('request', (_req, res) => {
      this.#answers.add(res);
      res.once('close', () => this.#answers.delete(res));
      if (this.#draining) res.setHeader('Connection', 'close');
    });
    this.#server.on('request', app);
    // A client that asks before it sends is told what is wrong before it has sent a gigabyte.
    this.#server.on('checkContinue', (req, res) => this.#server.emit('request', req, res));
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** "http://127.0.0.1:7070" */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `${this.#scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /**
   * Takes no new connections, lets answers under way finish for `drainMs`, then cuts off the rest. True when nothing had to be
   * cut off. A second call with less time cuts off sooner.
   */
  async close(drainMs: number = DRAIN_MS): Promise<boolean> {
    this.#draining = true;
    this.#stopWatching();
    // Every answer from now on is the last of its connection.
    for (const answer of this.#answers) if (!answer.headersSent) answer.setHeader('Connection', 'close');
    this.#closed ??= new Promise((resolve) => this.#server.close(() => resolve()));
    let clean = true;
    const idle = setInterval(() => this.#server.closeIdleConnections(), IDLE_LOOK_MS);
    const cut = setTimeout(() => {
      clean = false;
      this.#server.closeAllConnections();
    }, drainMs);
    this.#server.closeIdleConnections();
    try {
      await this.#closed;
    } finally {
      clearInterval(idle);
      clearTimeout(cut);
    }
    return clean;
  }
}

export interface StopSignals {
  readonly onStop?: (signal: NodeJS.Signals) => void;
  readonly drainMs?: number;
}

/**
 * Runs until SIGTERM or SIGINT, then closes the server; a second signal cuts off what is left. Resolves with the signal when
 * everything is closed.
 */
export async function closeOnSignal(
  server: HttpServer,
  { onStop, drainMs }: StopSignals = {},
): Promise<NodeJS.Signals> {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  return new Promise((resolve, reject) => {
    let first: NodeJS.Signals | null = null;
    const stop = (signal: NodeJS.Signals): void => {
      if (first !== null) {
        void server.close(0);
        return;
      }
      first = signal;
      onStop?.(signal);
      server.close(drainMs).then(() => {
        for (const name of signals) process.off(name, stop);
        resolve(signal);
      }, reject);
    };
    for (const name of signals) process.on(name, stop);
  });
}
