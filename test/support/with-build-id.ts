import { fieldsOf, lengthField } from './fields.ts';

const PROFILE_MAPPING = 3;
const PROFILE_STRING = 6;
const MAPPING_BUILD_ID = 6;

/** The uncompressed profile with another build ID on its mapping at `index`; every other byte is as it was. */
export function withBuildId(raw: Uint8Array, index: number, buildId: string): Uint8Array {
  const fields = fieldsOf(raw);
  const strings = fields.filter(({ number }) => number === PROFILE_STRING).length;
  let mapping = 0;
  const parts = fields.map((field) => {
    if (field.number !== PROFILE_MAPPING || mapping++ !== index) return field.bytes;
    const rest = fieldsOf(field.body).filter(({ number }) => number !== MAPPING_BUILD_ID);
    return lengthField(
      PROFILE_MAPPING,
      Buffer.concat([...rest.map(({ bytes }) => bytes), varintField(MAPPING_BUILD_ID, strings)]),
    );
  });
  return new Uint8Array(Buffer.concat([...parts, lengthField(PROFILE_STRING, Buffer.from(buildId))]));
}

function varintField(number: number, value: number): Uint8Array {
  const bytes = [number << 3];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
