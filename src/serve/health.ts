import type { RequestHandler } from 'express';

/** The process lives: always true where this can be answered. */
export const serveHealth: RequestHandler = (_req, res) => {
  res.type('text/plain').end('ok\n');
};

/** New requests are welcome: not while the server is on its way out. */
export function serveReadiness(isDraining: () => boolean): RequestHandler {
  return (_req, res) => {
    if (isDraining()) res.status(503).type('text/plain').end('shutting down\n');
    else res.type('text/plain').end('ready\n');
  };
}
