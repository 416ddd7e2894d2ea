import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test, { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { FormatError, LimitError } from '../../src/errors.ts';
import { isNamed, MAX_MAPPINGS, Profile } from '../../src/profile/profile.ts';
import { lengthField, varint } from '../support/fields.ts';
import {
  encodeModel,
  messageField,
  numberField,
  textField,
  validProfile,
  type ProfileModel,
} from '../support/profile-model.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/profiles/', import.meta.url));

function fixture(name: string): Profile {
  return Profile.scan(new Uint8Array(gunzipSync(readFileSync(FIXTURES + name))));
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe('scanning what was described', () => {
  test('every field of random profiles', () => {
    fc.assert(
      fc.property(validProfile, (model) => {
        const profile = Profile.scan(encodeModel(model));
        const text = (index: number) => Buffer.from(model.strings[index]).toString('utf8');
        assert.deepEqual(
          Array.from({ length: profile.strings.count }, (_, i) => [...profile.strings.bytes(i)]),
          model.strings.map((bytes) => [...bytes]),
        );
        const types = model.sampleTypes.map(({ type, unit }) => ({ type: text(type), unit: text(unit) }));
        assert.deepEqual(profile.sampleTypes, types);
        assert.equal(profile.sampleCount, model.samples.length);
        assert.deepEqual(profile.comments, model.comments.map(text));
        assert.equal(profile.defaultSampleType, text(model.headerStrings[2]));
        assert.equal(profile.docUrl, text(model.headerStrings[3]));
        assert.deepEqual(
          [profile.timeNanos, profile.durationNanos, profile.period],
          [model.timeNanos, model.durationNanos, model.period],
        );
        assert.deepEqual(
          profile.mappings.map(({ recordStart: _start, recordEnd: _end, ...rest }) => rest),
          model.mappings.map((m, index) => ({
            index,
            id: m.id,
            memoryStart: m.start,
            memoryLimit: m.limit,
            fileOffset: m.offset,
            filename: text(m.file),
            buildId: text(m.buildId),
            hasFunctions: m.flags[0] ?? false,
            hasFilenames: m.flags[1] ?? false,
            hasLineNumbers: m.flags[2] ?? false,
            hasInlineFrames: m.flags[3] ?? false,
          })),
        );
        const { functions, locations } = profile;
        assert.deepEqual(
          Array.from({ length: functions.count }, (_, i) => ({
            id: functions.id(i),
            name: functions.name(i),
            systemName: functions.systemName(i),
            file: functions.filename(i),
            startLine: functions.startLine(i),
          })),
          model.functions.map((f) => ({ ...f, startLine: Number(f.startLine) })),
        );
        assert.deepEqual(
          Array.from({ length: locations.count }, (_, i) => ({
            id: locations.id(i),
            address: locations.address(i),
            mapping: locations.mappingIndex(i),
            lines: locations.lines(i),
            lineCount: locations.lineCount(i),
            named: isNamed(profile, i),
          })),
          model.locations.map((l) => ({
            id: l.id,
            address: l.address,
            mapping: model.mappings.findIndex((m) => m.id === l.mapping && m.id !== 0n),
            lines: l.lines.map((n) => ({
              functionIndex: model.functions.findIndex((f) => f.id === n.function),
              line: Number(n.line),
              column: Number(n.column),
            })),
            lineCount: l.lines.length,
            named: l.lines.some((n) => {
              const f = model.functions.find(({ id }) => id === n.function);
              return f !== undefined && model.strings[f.name].length > 0;
            }),
          })),
        );
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  test('positions and weights', () => {
    fc.assert(
      fc.property(validProfile, fc.nat(2), (model, wish) => {
        const profile = Profile.scan(encodeModel(model));
        const expected = model.locations.map(
          ({ id }) =>
            (model.samples.some(({ locations }) => locations[0] === id) ? 1 : 0) |
            (model.samples.some(({ locations }) => locations.indexOf(id, 1) > 0) ? 2 : 0),
        );
        assert.deepEqual([...profile.positions()], expected);
        const type = wish % model.sampleTypes.length;
        const weights = profile.sampleWeights(type);
        const sum = (which: (locations: readonly bigint[]) => boolean) =>
          model.samples.reduce((s, { locations, values }) => (which(locations) ? s + Number(values[type]) : s), 0);
        assert.deepEqual(
          [...weights.flat],
          model.locations.map(({ id }) => sum((locations) => locations[0] === id)),
        );
        assert.deepEqual(
          [...weights.cumulative],
          model.locations.map(({ id }) => sum((locations) => locations.includes(id))),
        );
        assert.equal(
          weights.total,
          sum(() => true),
        );
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  test('weights are those of the default sample type, else of the last', () => {
    const raw = (defaultType: number) =>
      concat(
        ...['', 'objects', 'space'].map((s) => textField(6, s)),
        messageField(1, numberField(1, 1)),
        messageField(1, numberField(1, 2)),
        numberField(14, defaultType),
        messageField(4, numberField(1, 1)),
        messageField(2, numberField(1, 1), numberField(2, 3), numberField(2, 500)),
      );
    assert.equal(Profile.scan(raw(1)).sampleWeights().total, 3);
    assert.equal(Profile.scan(raw(0)).sampleWeights().total, 500);
  });
});

describe('profiles of Go runtimes', () => {
  const names = readdirSync(FIXTURES).filter((name) => name.endsWith('.pb.gz'));
  for (const name of names) {
    test(name, () => {
      const profile = fixture(name);
      assert.ok(profile.mappings.length > 0);
      // A threadcreate profile has no frame in it.
      assert.equal(profile.mappings[0].hasFunctions, !name.includes('threadcreate'));
      assert.ok(
        profile.mappings.some(({ memoryStart }) => memoryStart === 0xffffffffff600000n),
        '[vsyscall]',
      );
      assert.ok(profile.locations.byId.dense && profile.functions.byId.dense);
    });
  }

  test('cpu: inlined frames innermost first', () => {
    const profile = fixture('go1.26-cpu.pb.gz');
    const stacks = Array.from({ length: profile.locations.count }, (_, i) =>
      profile.locations
        .lines(i)
        .map(({ functionIndex }) => profile.strings.text(profile.functions.name(functionIndex))),
    );
    assert.ok(stacks.some((stack) => stack[0] === 'main.mix' && stack[1] === 'main.busy'));
    assert.deepEqual(profile.sampleTypes, [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' },
    ]);
  });

  test('threadcreate of Go 1.26: a location above 2^63 whose function has no name is not named', () => {
    const profile = fixture('go1.26-threadcreate.pb.gz');
    const index = Array.from({ length: profile.locations.count }, (_, i) => i).find(
      (i) => profile.locations.address(i) === 0xffffffffffffffffn,
    );
    assert.ok(index !== undefined);
    assert.equal(profile.locations.mappingIndex(index), -1);
    assert.equal(profile.locations.lineCount(index), 1);
    assert.equal(isNamed(profile, index), false);
  });
});

describe('what scan refuses', () => {
  const empty = textField(6, '');
  const cases: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /empty/],
    ['no string table', numberField(12, 1), /no string table/],
    ['first string not empty', textField(6, 'x'), /first string/],
    ['group', concat(empty, varint((20n << 3n) | 3n)), /wire type 3/],
    ['wire type 7', concat(empty, varint((20n << 3n) | 7n)), /wire type 7/],
    ['field cut short', concat(empty, lengthField(4, numberField(1, 1)).subarray(0, -1)), /need 2 bytes, have 1/],
    [
      'varint of 11 bytes',
      concat(empty, Uint8Array.of(0x60, ...new Array<number>(10).fill(0x80), 0)),
      /longer than 10/,
    ],
    ['varint cut short', concat(empty, Uint8Array.of(0x60, 0x80)), /cut short/],
    ['fixed field cut short', concat(empty, varint((20n << 3n) | 1n), new Uint8Array(7)), /need 8 bytes/],
    ['huge length', concat(empty, Uint8Array.of(0x22), varint(2n ** 64n - 1n)), /need 18446744073709552000 bytes/],
    ['location id as string', concat(empty, messageField(4, textField(1, 'x'))), /Location.*wire type 2/],
    ['line as number', concat(empty, messageField(4, numberField(4, 1))), /Location.*wire type 0/],
    ['string as number', concat(empty, numberField(6, 1)), /wire type 0/],
    ['line longer than its location', concat(empty, messageField(4, Uint8Array.of(0x22, 0x05, 0x08))), /need 5 bytes/],
    ['function name outside the table', concat(empty, messageField(5, numberField(2, 1))), /string index 1 of 1/],
    ['negative build id', concat(empty, messageField(3, numberField(6, -1n))), /string index negative/],
    ['comment outside the table', concat(empty, lengthField(13, Uint8Array.of(0, 1))), /string index 1 of 1/],
    ['doc_url outside the table', concat(empty, numberField(15, 7)), /string index 7 of 1/],
    ['sample type outside the table', concat(messageField(1, numberField(2, 2)), empty), /string index 2 of 1/],
    ['two profiles in a row', concat(empty, numberField(9, 5), empty, numberField(9, 5)), /concatenated/],
  ];
  for (const [name, raw, message] of cases) {
    test(name, () => {
      assert.throws(
        () => Profile.scan(raw),
        (error) => error instanceof FormatError && message.test(error.message),
      );
    });
  }

  test('more mappings than any process has', () => {
    const mapping = messageField(3);
    const raw = Buffer.concat([empty, ...new Array<Uint8Array>(MAX_MAPPINGS + 1).fill(mapping)]);
    assert.throws(() => Profile.scan(new Uint8Array(raw)), LimitError);
  });
});

describe('what scan takes, as google/pprof does', () => {
  const empty = textField(6, '');
  const cases: [string, Uint8Array][] = [
    ['only the empty string', empty],
    [
      'tags and lengths in ten bytes',
      concat(Uint8Array.of(0xb2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x80, 0x00)),
    ],
    ['field number 0', concat(empty, Uint8Array.of(0x00, 0x05))],
    ['time_nanos 0 before another', concat(empty, numberField(9, 0, true), numberField(9, 5))],
    [
      'a period type with a bad index that is replaced',
      concat(empty, messageField(11, numberField(1, 9)), messageField(11)),
    ],
  ];
  for (const [name, raw] of cases) test(name, () => void Profile.scan(raw));

  test('a Buffer, and a view into one', () => {
    const pool = Buffer.concat([Buffer.from('xx'), empty, textField(6, 'abc'), Buffer.from('yy')]);
    const raw = pool.subarray(2, -2);
    const profile = Profile.scan(raw);
    assert.equal(profile.raw, raw);
    assert.equal(profile.strings.text(1), 'abc');
  });
});

test('strings that are not UTF-8 or start with a byte order mark are kept', () => {
  const model = { strings: [[], [0xff, 0xfe], [0xef, 0xbb, 0xbf, 0x61]].map((bytes) => Uint8Array.from(bytes)) };
  const raw = concat(...model.strings.map((bytes) => lengthField(6, bytes)));
  const { strings } = Profile.scan(raw);
  assert.equal(strings.text(1), '\ufffd\ufffd');
  assert.equal(strings.text(2), '\ufeffa');
  assert.equal(strings.latin1(1), '\xff\xfe');
  assert.throws(() => strings.text(3), RangeError);
  assert.throws(() => strings.bytes(-1), RangeError);
});

test('a hostile choice of ids costs no more than any other', () => {
  // 200,000 locations with ids far apart, in descending order, and as many lines naming functions that are just as far apart.
  const count = 200_000;
  const id = (i: number) => 2n ** 64n - 1n - BigInt(i) * 2n ** 33n;
  const parts: Uint8Array[] = [textField(6, '')];
  for (let i = 0; i < count; i++) {
    parts.push(messageField(5, numberField(1, id(i))));
    parts.push(messageField(4, numberField(1, id(i)), messageField(4, numberField(1, id(count - 1 - i)))));
  }
  const raw = new Uint8Array(Buffer.concat(parts));
  const before = process.cpuUsage();
  const profile = Profile.scan(raw);
  for (let i = 0; i < count; i += 1000) {
    assert.equal(profile.locations.lines(i)[0].functionIndex, count - 1 - i);
  }
  assert.ok(process.cpuUsage(before).user < 5_000_000);
});

test('the description of a profile is complete', () => {
  // Guards the model itself: an encoder that writes nothing would pass the comparisons above.
  const model: ProfileModel = fc
    .sample(validProfile, { numRuns: 50, seed: 3 })
    .find(({ locations }) => locations.length > 3)!;
  assert.ok(encodeModel(model).length > 100);
});
