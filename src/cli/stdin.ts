import { LimitError } from '../errors.ts';
import { DEFAULT_BODY_LIMITS } from '../profile/gzip.ts';

/** All of stdin, bounded like a profile from a target. Throws LimitError. */
export async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > DEFAULT_BODY_LIMITS.maxRawBytes) {
      throw new LimitError(`stdin holds more than ${DEFAULT_BODY_LIMITS.maxRawBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
