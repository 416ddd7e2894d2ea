import { sniff, SNIFF_BYTES, type Verdict } from './sniff.ts';

/** A body taken in: whole when it may be a profile, otherwise what was read of it and the way to read on. */
export type Held =
  | { readonly kind: 'profile'; readonly body: Uint8Array }
  | {
      readonly kind: 'other' | 'too-large';
      readonly start: readonly Uint8Array[];
      readonly rest: AsyncIterable<Uint8Array>;
    };

/**
 * Reads a body until it shows that it is no profile, which a few bytes tell, or to its end. Never holds more than `maxBytes`
 * and one chunk. Throws what `chunks` throws.
 *
 * @param legacy profiles that are no protobuf are wanted too
 */
export async function hold(chunks: AsyncIterable<Uint8Array>, maxBytes: number, legacy = false): Promise<Held> {
  const iterator = chunks[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let size = 0;
  let verdict: Verdict = 'undecided';
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return { kind: 'profile', body: join(held, size) };
    const { value } = next;
    if (value.length === 0) continue;
    held.push(value);
    size += value.length;
    if (verdict === 'undecided')
      verdict = sniff(held.length === 1 ? value : join(held, Math.min(size, SNIFF_BYTES)), legacy);
    const kind = verdict === 'other' ? 'other' : size > maxBytes ? 'too-large' : null;
    if (kind !== null) return { kind, start: held, rest: { [Symbol.asyncIterator]: () => iterator } };
  }
}

/** The first `size` bytes of the chunks. */
function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  if (chunks.length === 1 && chunks[0].length === size) return chunks[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, size - at);
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
