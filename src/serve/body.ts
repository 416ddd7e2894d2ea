import type { Request } from 'express';
import { HttpProblem, LINGER_MS } from './errors.ts';

/** Lets a client go on that asked first whether it may send its body. */
export function allowBody(req: Request): void {
  if (req.headers.expect !== undefined && req.res !== undefined && !req.res.headersSent) req.res.writeContinue();
}

/** Nobody wants to know any more what a refused sender still sends; one that does not come to an end is cut off. */
export function refuseBody(req: Request): void {
  if (req.complete) return;
  req.resume();
  setTimeout(() => req.complete || req.socket.destroy(), LINGER_MS).unref();
}

/** A large profile over a slow line; who takes longer only keeps a connection occupied. */
const BODY_MS = 300_000;

/**
 * The body of a request, as it was sent. Throws HttpProblem 413 beyond `maxBytes`, and then lets the rest run dry: a client
 * that is still sending reads the answer only afterwards.
 */
export async function readRequestBody(req: Request, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): HttpProblem => {
    refuseBody(req);
    return new HttpProblem(413, `the body is larger than the limit of ${maxBytes} bytes`, { Connection: 'close' });
  };
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  allowBody(req);
  return new Promise((resolve, reject) => {
    const tooSlow = setTimeout(() => {
      refuseBody(req);
      reject(new HttpProblem(408, `the body did not come within ${BODY_MS / 1000} s`));
    }, BODY_MS).unref();
    req.once('close', () => clearTimeout(tooSlow));
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        req.removeAllListeners('data');
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    req.on('end', () => {
      clearTimeout(tooSlow);
      resolve(Buffer.concat(chunks));
    });
    req.on('error', reject);
  });
}
