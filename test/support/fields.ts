/**
 * A protobuf message as a list of its fields, for tests: nothing of src/, plain objects, bigints, no care for speed.
 */

export interface Field {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length, 5 four bytes. */
  readonly wire: number;
  /** The value of a varint or fixed field, unsigned. */
  readonly value: bigint;
  /** The content of a length field. */
  readonly body: Uint8Array;
  /** The whole field, tag included. */
  readonly bytes: Uint8Array;
}

const NO_BODY: Uint8Array = new Uint8Array(0);

/** The fields of a message, in order. Throws Error on what is no message. */
export function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= message.length || shift > 63n) throw new Error(`bad varint before byte ${at}`);
      const byte = message[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = varint();
    const wire = Number(tag & 7n);
    let value = 0n;
    let body: Uint8Array = NO_BODY;
    if (wire === 0) value = varint();
    else {
      const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : wire === 5 ? 4 : NaN;
      if (!(at + length <= message.length))
        throw new Error(`field at byte ${start}: wire type ${wire}, ${length} bytes`);
      body = message.subarray(at, at + length);
      at += length;
    }
    fields.push({ number: Number(tag >> 3n), wire, value, body, bytes: message.subarray(start, at) });
  }
  return fields;
}

/** The numbers of a repeated varint field, packed or not, unsigned. */
export function numbersOf(fields: readonly Field[], number: number): bigint[] {
  const numbers: bigint[] = [];
  for (const field of fields) {
    if (field.number !== number) continue;
    if (field.wire === 0) numbers.push(field.value);
    else numbers.push(...packed(field.body));
  }
  return numbers;
}

function packed(body: Uint8Array): bigint[] {
  const numbers: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of body) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte < 0x80) {
      numbers.push(BigInt.asUintN(64, value));
      value = shift = 0n;
    }
  }
  return numbers;
}

/** The last value of a varint field; 0 when it is absent. */
export function numberOf(fields: readonly Field[], number: number): bigint {
  return fields.findLast((field) => field.number === number && field.wire === 0)?.value ?? 0n;
}

/** A length field with this content. */
export function lengthField(number: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([varint((BigInt(number) << 3n) | 2n), varint(BigInt(body.length)), body]);
}

/** A varint, of any 64-bit integer. */
export function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
