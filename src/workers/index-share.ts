/** What a second thread runs while an index is made: its share of the debug info, as columns for the first thread. */
import type { MessagePort } from 'node:worker_threads';
import { once } from 'node:events';
import { chooseSlice } from '../object/macho-fat.ts';
import { assemble } from '../store/assembly.ts';
import { Beside } from '../store/beside.ts';
import { binaryFile, openLocal } from '../store/local.ts';
import type { Share } from '../dwarf/cover.ts';
import { buffersOf, type IndexPart } from '../symbolize/index-part.ts';
import { lendSections, type SharedSections } from './shared-sections.ts';

/** A binary of this machine, as store/local.ts takes it. */
export interface IndexedFile {
  readonly path: string;
  /** Apple's name of the part of a universal file. */
  readonly arch: string | undefined;
}

export interface IndexShareData {
  readonly kind: 'index-share';
  readonly file: IndexedFile;
  /** Of the very files that the first thread has; those of other files are no help. */
  readonly stamp: string;
  readonly share: Share;
}

/** null: it cannot be collected here, and whoever makes the index alone learns why. */
export type CollectedShare = IndexPart | null;

/** Posts the share once the port has brought the sections that were inflated for all threads. */
export async function collectShare(port: MessagePort, data: IndexShareData): Promise<void> {
  const [shared] = (await once(port, 'message')) as [SharedSections];
  const part = await collect(data, shared);
  port.postMessage(part satisfies CollectedShare, part === null ? [] : buffersOf(part));
}

async function collect({ file, stamp, share }: IndexShareData, shared: SharedSections): Promise<CollectedShare> {
  const binary = openLocal(file.path, (slices) => chooseSlice(slices, file.arch));
  const { symbols, close } = await assemble({ files: [binary], elsewhere: new Beside(binaryFile(file.path)) });
  try {
    if (symbols.stamp !== stamp) return null;
    lendSections(symbols.debugSections, shared);
    return symbols.startIndex(share).part();
  } finally {
    close();
  }
}
