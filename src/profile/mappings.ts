import type { Extents } from './extents.ts';
import { MAPPING } from './fields.ts';
import type { StringTable } from './strings.ts';
import { IdIndex } from './ids.ts';
import { U64Column } from './u64.ts';
import type { WireReader } from './wire.ts';

/** One Mapping record. Addresses are those of the running process; offsets are bytes in the file. */
export interface MappingRecord {
  /** Position among the profile's mappings, from 0. */
  readonly index: number;
  readonly id: bigint;
  readonly memoryStart: bigint;
  /** First address past the range; 0 when the producer does not know it. */
  readonly memoryLimit: bigint;
  readonly fileOffset: bigint;
  readonly filename: string;
  readonly buildId: string;
  readonly hasFunctions: boolean;
  readonly hasFilenames: boolean;
  readonly hasLineNumbers: boolean;
  readonly hasInlineFrames: boolean;
  /** The record's field in `Profile.raw`, tag and length included: bytes `[recordStart, recordEnd)`. */
  readonly recordStart: number;
  readonly recordEnd: number;
}

/** Decodes the Mapping records at `extents`. Throws FormatError. */
export function readMappings(reader: WireReader, extents: Extents, strings: StringTable): MappingRecord[] {
  const records: MappingRecord[] = [];
  reader.message = 'Mapping';
  for (let index = 0; index < extents.count; index++) {
    const recordStart = extents.start(index);
    const recordEnd = extents.end(index);
    reader.enter(recordStart, recordEnd);
    const words = [0n, 0n, 0n, 0n, 0n];
    const texts = [0, 0];
    const flags = [false, false, false, false];
    while (reader.next()) {
      const { field } = reader;
      if (field >= MAPPING.id && field <= MAPPING.file_offset) {
        reader.value();
        words[field] = reader.bigUnsigned();
      } else if (field === MAPPING.filename || field === MAPPING.build_id) {
        texts[field - MAPPING.filename] = reader.index();
      } else if (field >= MAPPING.has_functions && field <= MAPPING.has_inline_frames) {
        reader.value();
        flags[field - MAPPING.has_functions] = reader.low !== 0 || reader.high !== 0;
      } else reader.skipField();
    }
    records.push({
      index,
      id: words[MAPPING.id],
      memoryStart: words[MAPPING.memory_start],
      memoryLimit: words[MAPPING.memory_limit],
      fileOffset: words[MAPPING.file_offset],
      filename: strings.text(reader.stringIndex(texts[0], strings.count)),
      buildId: strings.text(reader.stringIndex(texts[1], strings.count)),
      hasFunctions: flags[0],
      hasFilenames: flags[1],
      hasLineNumbers: flags[2],
      hasInlineFrames: flags[3],
      recordStart,
      recordEnd,
    });
  }
  return records;
}

/** From a mapping's id to its index. */
export function mappingIds(records: readonly MappingRecord[]): IdIndex {
  const ids = new U64Column(records.length);
  for (const { index, id } of records) ids.set(index, Number(id & 0xffffffffn), Number(id >> 32n));
  return new IdIndex(ids);
}
