import type { Request } from 'express';
import { HttpProblem } from './errors.ts';

/**
 * The body of a request, as it was sent. Throws HttpProblem 413 beyond `maxBytes`, and then lets the rest run dry: a client
 * that is still sending reads the answer only afterwards.
 */
export async function readRequestBody(req: Request, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): HttpProblem => {
    req.resume();
    return new HttpProblem(413, `the body is larger than the limit of ${maxBytes} bytes`, { Connection: 'close' });
  };
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        req.removeAllListeners('data');
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    req.on('end', () => resolve(Buffer.concat(chunks)));
    req.on('error', reject);
  });
}
