/**
 * What Parca asks of a profile beyond what google/pprof does: it takes ids for positions.
 */
import { uncompressed } from './erase.ts';
import { fieldsOf, numberOf, numbersOf } from './fields.ts';

const SAMPLE_TYPE = 1;
const SAMPLE = 2;
const MAPPING = 3;
const LOCATION = 4;
const FUNCTION = 5;
const STRING_TABLE = 6;
const COMMENT = 13;

/** The first reason for Parca to refuse the profile (gzipped or not), or null. */
export function parcaRefusal(profile: Uint8Array): string | null {
  const fields = fieldsOf(uncompressed(profile));
  const records = (number: number) =>
    fields.filter((field) => field.number === number).map(({ body }) => fieldsOf(body));
  const strings = fields
    .filter(({ number }) => number === STRING_TABLE)
    .map(({ body }) => Buffer.from(body).toString());
  const kinds = { mapping: records(MAPPING), function: records(FUNCTION), location: records(LOCATION) };

  if (strings.length > 0 && strings[0] !== '') return 'the first string is not empty';
  for (const [kind, list] of Object.entries(kinds)) {
    const at = list.findIndex((record, index) => numberOf(record, 1) !== BigInt(index + 1));
    if (at >= 0) return `${kind} at position ${at} has id ${numberOf(list[at], 1)}`;
  }
  const infos = numbersOf(fields, COMMENT).filter((index) => strings[Number(index)].startsWith('executableInfo='));
  if (infos.length > 0 && infos.length !== kinds.mapping.length) {
    return `${infos.length} executableInfo comments for ${kinds.mapping.length} mappings`;
  }
  for (const record of kinds.location) {
    if (numberOf(record, 2) > kinds.mapping.length) return `a location has mapping id ${numberOf(record, 2)}`;
    for (const { body } of record.filter(({ number }) => number === 4)) {
      const id = numberOf(fieldsOf(body), 1);
      if (id > kinds.function.length) return `a line has function id ${id}`;
    }
  }
  const types = fields.filter(({ number }) => number === SAMPLE_TYPE).length;
  for (const sample of records(SAMPLE)) {
    if (numbersOf(sample, 2).length !== types)
      return `a sample has ${numbersOf(sample, 2).length} values for ${types} types`;
    const wrong = numbersOf(sample, 1).find((id) => id === 0n || id > kinds.location.length);
    if (wrong !== undefined) return `a sample has location id ${wrong}`;
    for (const { body } of sample.filter(({ number }) => number === 3)) {
      const label = fieldsOf(body);
      if (numberOf(label, 1) === 0n) return 'a label has no key';
      for (const part of [1, 2]) {
        if (numberOf(label, part) >= strings.length) return `a label has string index ${numberOf(label, part)}`;
      }
    }
  }
  return null;
}
