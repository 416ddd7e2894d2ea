/**
 * Profiles from a description, for tests: every message as plain data, and an encoder that can also write what no tidy
 * producer writes: records in any order, packed and single numbers, unknown fields, strings that are not UTF-8.
 */
import fc from 'fast-check';
import { lengthField, varint } from './fields.ts';

/** String indexes are numbers, everything of 64 bits is a bigint. */
export interface ProfileModel {
  readonly strings: readonly Uint8Array[];
  readonly sampleTypes: readonly { type: number; unit: number }[];
  readonly samples: readonly SampleModel[];
  readonly mappings: readonly MappingModel[];
  readonly locations: readonly LocationModel[];
  readonly functions: readonly FunctionModel[];
  readonly comments: readonly number[];
  /** drop_frames, keep_frames, default_sample_type, doc_url */
  readonly headerStrings: readonly number[];
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly period: bigint;
  readonly periodType: { type: number; unit: number } | null;
  /** Top-level fields the schema does not know. */
  readonly unknown: readonly Uint8Array[];
  /** Where the string table goes; the records between are shuffled by `seed`. */
  readonly stringsAt: 'start' | 'end' | 'anywhere';
  readonly packed: boolean;
  readonly seed: number;
}

export interface SampleModel {
  readonly locations: readonly bigint[];
  readonly values: readonly bigint[];
  readonly labels: readonly { key: number; str: number; num: bigint; unit: number }[];
}

export interface MappingModel {
  readonly id: bigint;
  readonly start: bigint;
  readonly limit: bigint;
  readonly offset: bigint;
  readonly file: number;
  readonly buildId: number;
  /** undefined: not written. */
  readonly flags: readonly (boolean | undefined)[];
  readonly unknown: readonly Uint8Array[];
}

export interface LocationModel {
  readonly id: bigint;
  readonly mapping: bigint;
  readonly address: bigint;
  readonly lines: readonly { function: bigint; line: bigint; column: bigint }[];
  readonly folded: boolean;
  readonly unknown: readonly Uint8Array[];
}

export interface FunctionModel {
  readonly id: bigint;
  readonly name: number;
  readonly systemName: number;
  readonly file: number;
  readonly startLine: bigint;
}

/** A varint field; nothing for 0, as proto3 has it, unless `always`. */
export function numberField(number: number, value: bigint | number, always = false): Uint8Array {
  const big = BigInt(value);
  if (big === 0n && !always) return new Uint8Array(0);
  return Buffer.concat([varint(BigInt(number) << 3n), varint(big)]);
}

/** A message field made of these parts. */
export function messageField(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return lengthField(number, Buffer.concat(parts));
}

/** A text as a length field. */
export function textField(number: number, text: string): Uint8Array {
  return lengthField(number, Buffer.from(text));
}

/** The serialized profile. */
export function encodeModel(model: ProfileModel): Uint8Array {
  const shuffle = shuffler(model.seed);
  const valueType = (number: number, { type, unit }: { type: number; unit: number }) =>
    messageField(number, numberField(1, type), numberField(2, unit));
  const numbers = (number: number, list: readonly bigint[]) =>
    model.packed && list.length > 0
      ? lengthField(number, Buffer.concat(list.map(varint)))
      : Buffer.concat(list.map((value) => numberField(number, value, true)));

  const kinds: Uint8Array[][] = [
    model.sampleTypes.map((type) => valueType(1, type)),
    model.samples.map(({ locations, values, labels }) =>
      messageField(
        2,
        ...shuffle([
          numbers(1, locations),
          numbers(2, values),
          ...labels.map(({ key, str, num, unit }) =>
            messageField(3, numberField(1, key), numberField(2, str), numberField(3, num), numberField(4, unit)),
          ),
        ]),
      ),
    ),
    model.mappings.map((m) =>
      messageField(
        3,
        ...shuffle([
          numberField(1, m.id),
          numberField(2, m.start),
          numberField(3, m.limit),
          numberField(4, m.offset),
          numberField(5, m.file),
          numberField(6, m.buildId),
          ...m.flags.map((flag, i) => (flag === undefined ? Buffer.alloc(0) : numberField(7 + i, flag ? 1 : 0, true))),
          ...m.unknown,
        ]),
      ),
    ),
    model.locations.map((l) =>
      messageField(
        4,
        ...shuffle([
          numberField(1, l.id),
          numberField(2, l.mapping),
          numberField(3, l.address),
          // Lines keep their order: it means something.
          Buffer.concat(
            l.lines.map((n) =>
              messageField(
                4,
                ...shuffle([numberField(1, n.function), numberField(2, n.line), numberField(3, n.column)]),
              ),
            ),
          ),
          numberField(5, l.folded ? 1 : 0),
          ...l.unknown,
        ]),
      ),
    ),
    model.functions.map((f) =>
      messageField(
        5,
        ...shuffle([
          numberField(1, f.id),
          numberField(2, f.name),
          numberField(3, f.systemName),
          numberField(4, f.file),
          numberField(5, f.startLine),
        ]),
      ),
    ),
    [numbers(13, model.comments.map(BigInt))],
    [
      numberField(7, model.headerStrings[0] ?? 0),
      numberField(8, model.headerStrings[1] ?? 0),
      numberField(14, model.headerStrings[2] ?? 0),
      numberField(15, model.headerStrings[3] ?? 0),
      numberField(9, model.timeNanos),
      numberField(10, model.durationNanos),
      numberField(12, model.period),
      ...(model.periodType === null ? [] : [valueType(11, model.periodType)]),
    ],
    [...model.unknown],
  ];
  const strings = model.strings.map((bytes) => lengthField(6, bytes));
  if (model.stringsAt === 'anywhere') kinds.push(strings);
  const body = interleave(kinds, model.seed);
  const whole =
    model.stringsAt === 'start' ? [...strings, ...body] : model.stringsAt === 'end' ? [...body, ...strings] : body;
  return new Uint8Array(Buffer.concat(whole));
}

/** Mixes lists, keeping the order within each. */
function interleave(lists: readonly Uint8Array[][], seed: number): Uint8Array[] {
  const random = randomBelow(seed);
  const queues = lists.map((list) => [...list]).filter((list) => list.length > 0);
  const mixed: Uint8Array[] = [];
  while (queues.length > 0) {
    const at = random(queues.length);
    mixed.push(queues[at].shift()!);
    if (queues[at].length === 0) queues.splice(at, 1);
  }
  return mixed;
}

function shuffler(seed: number): <T>(list: readonly T[]) => T[] {
  const random = randomBelow(seed ^ 0x5bd1e995);
  return (list) => {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = random(i + 1);
      [copy[i], copy[j]] = [copy[j], copy[i]];
    }
    return copy;
  };
}

/** A small seeded generator (mulberry32): the next integer in [0, n). */
export function randomBelow(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 0xffffn }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n, 0xffffffffff600000n),
);
const int64 = uint64.map((value) => BigInt.asIntN(64, value));

/** Names as they occur, so that they repeat, and bytes as they should not. */
const stringBytes = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('', 'main.main', 'main.work', '/src/main.go', 'ünïcode', 'λ', 'a'.repeat(200))
      .map((s) => new Uint8Array(Buffer.from(s))),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
);

/** Fields with numbers no message of the schema uses, of all wire types. */
const unknownField = fc.oneof(
  fc.tuple(fc.integer({ min: 16, max: 5000 }), uint64).map(([number, value]) => numberField(number, value, true)),
  fc
    .tuple(fc.integer({ min: 16, max: 5000 }), fc.uint8Array({ maxLength: 20 }))
    .map(([n, body]) => lengthField(n, body)),
  fc
    .uint8Array({ minLength: 8, maxLength: 8 })
    .map((body) => new Uint8Array(Buffer.concat([varint((100n << 3n) | 1n), body]))),
  fc
    .uint8Array({ minLength: 4, maxLength: 4 })
    .map((body) => new Uint8Array(Buffer.concat([varint((100n << 3n) | 5n), body]))),
);

/** Ids: 1..N, 1..N in another order, or anything. */
function ids(max: number): fc.Arbitrary<bigint[]> {
  const dense = fc.integer({ min: 0, max }).map((n) => Array.from({ length: n }, (_, i) => BigInt(i + 1)));
  return fc.oneof(
    dense,
    dense.chain((list) => fc.shuffledSubarray(list, { minLength: list.length })),
    fc.uniqueArray(
      uint64.filter((id) => id !== 0n),
      { maxLength: max },
    ),
  );
}

/** Profiles that google/pprof takes. */
export const validProfile: fc.Arbitrary<ProfileModel> = fc
  .record({
    strings: fc.array(stringBytes, { maxLength: 12 }).map((list) => [new Uint8Array(0), ...list]),
    mappingIds: ids(4),
    functionIds: ids(8),
    locationIds: ids(10),
    types: fc.integer({ min: 1, max: 3 }),
    sampleCount: fc.integer({ min: 0, max: 6 }),
  })
  .chain(({ strings, mappingIds, functionIds, locationIds, types, sampleCount }) => {
    const string = fc.nat({ max: strings.length - 1 });
    const valueType = fc.record({ type: string, unit: string });
    const pick = (list: readonly bigint[]) => (list.length === 0 ? fc.constant(0n) : fc.constantFrom(...list));
    const line = fc.record({ function: pick(functionIds), line: int64, column: int64 });
    const some = <T>(item: fc.Arbitrary<T>, maxLength: number) => fc.array(item, { maxLength });
    return fc.record({
      strings: fc.constant(strings),
      sampleTypes: fc.array(valueType, { minLength: types, maxLength: types }),
      samples: fc.array(
        fc.record({
          locations: locationIds.length === 0 ? fc.constant([]) : some(pick(locationIds), 6),
          values: fc.array(int64, { minLength: types, maxLength: types }),
          labels: some(fc.record({ key: string, str: string, num: int64, unit: string }), 2),
        }),
        { minLength: sampleCount, maxLength: sampleCount },
      ),
      mappings: fc.tuple(
        ...mappingIds.map((id) =>
          fc.record({
            id: fc.constant(id),
            start: uint64,
            limit: uint64,
            offset: uint64,
            file: string,
            buildId: string,
            flags: fc.array(fc.option(fc.boolean(), { nil: undefined }), { minLength: 4, maxLength: 4 }),
            unknown: some(unknownField, 1),
          }),
        ),
      ),
      locations: fc.tuple(
        ...locationIds.map((id) =>
          fc.record({
            id: fc.constant(id),
            mapping: fc.oneof(pick(mappingIds), uint64),
            address: uint64,
            lines: functionIds.length === 0 ? fc.constant([]) : some(line, 3),
            folded: fc.boolean(),
            unknown: some(unknownField, 1),
          }),
        ),
      ),
      functions: fc.tuple(
        ...functionIds.map((id) =>
          fc.record({
            id: fc.constant(id),
            name: string,
            systemName: string,
            file: string,
            startLine: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 500n }), int64),
          }),
        ),
      ),
      comments: some(string, 3),
      headerStrings: fc.array(string, { minLength: 4, maxLength: 4 }),
      timeNanos: int64,
      durationNanos: int64,
      period: int64,
      periodType: fc.option(valueType),
      unknown: some(unknownField, 2),
      stringsAt: fc.constantFrom('start' as const, 'end' as const, 'anywhere' as const),
      packed: fc.boolean(),
      seed: fc.integer(),
    });
  });
