/** "Mini debug info": an ELF file with a symbol table alone, compressed by xz, in a section of a stripped one (Fedora, RHEL). */
import type * as Xz from 'xz-decompress';
import { BufferSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import { miniDebugInfo } from '../object/debug-link.ts';
import type { ObjectFile } from '../object/object.ts';
import { openObject } from '../object/open.ts';

/** libxul's is 12 MB. */
const MAX_BYTES = 64 << 20;

/** null when there is none. Rejects with FormatError or LimitError when it cannot be inflated or is no object file. */
export async function openMiniDebugInfo(object: ObjectFile): Promise<ObjectFile | null> {
  const section = miniDebugInfo(object);
  if (section === undefined) return null;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of inflated(object.sectionData(section))) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new LimitError(`.gnu_debugdata inflates to more than ${MAX_BYTES} bytes`);
    chunks.push(chunk.slice());
  }
  return openObject(new BufferSource(Buffer.concat(chunks, size), '.gnu_debugdata'));
}

/** Loaded only where a file needs it. A CommonJS module: its names are where the loader puts them. */
async function loadXz(): Promise<typeof Xz.XzReadableStream> {
  const module = (await import('xz-decompress')) as Partial<typeof Xz> & { readonly default?: typeof Xz };
  return module.XzReadableStream ?? module.default!.XzReadableStream;
}

async function* inflated(compressed: Uint8Array): AsyncGenerator<Uint8Array> {
  const input = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(compressed.slice());
      controller.close();
    },
  });
  const XzStream = await loadXz();
  const reader = new XzStream(input).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw new FormatError('.gnu_debugdata', 0, `xz data is damaged: ${String(error)}`);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
