import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { isNamed, Profile } from '../../src/profile/profile.ts';
import { splice, type MappingFlags, type NewLine, type ProfileEdits } from '../../src/profile/splice.ts';
import { erase } from '../support/erase.ts';
import { fieldsOf, lengthField } from '../support/fields.ts';
import { parcaRefusal } from '../support/parca-rule.ts';
import { needsPprof, PprofOracle } from '../support/pprof.ts';
import { encodeModel, messageField, numberField, textField, validProfile } from '../support/profile-model.ts';
import { assertUntouched } from '../support/untouched.ts';

const FIXTURES = new URL('../fixtures/profiles/', import.meta.url);
const fixtures = readdirSync(FIXTURES).filter((name) => name.endsWith('.pb.gz'));

let oracle: PprofOracle;
before(async () => {
  if (needsPprof === false) oracle = await PprofOracle.start();
});
after(() => {
  if (needsPprof === false) oracle.stop();
});

/** The schema, by protobufjs's own reflection: a second reader of what splice writes. Strings as bytes: it insists on UTF-8. */
const schema = readFileSync(new URL('../../proto/profile.proto', import.meta.url), 'utf8');
const ProfileType = protobuf
  .parse(schema.replace('repeated string string_table', 'repeated bytes string_table'), { keepCase: true })
  .root.lookupType('perftools.profiles.Profile');

interface Reflected {
  string_table: Buffer[];
  comment: string[];
  doc_url: string;
  mapping: ({ id: string } & Record<string, unknown>)[];
  location: { id: string; is_folded: boolean; line: { function_id: string; line: string; column: string }[] }[];
  function: { id: string; name: string; system_name: string; filename: string; start_line: string }[];
}

function reflect(raw: Uint8Array): Reflected {
  const object = ProfileType.toObject(ProfileType.decode(raw), { longs: String, defaults: true, arrays: true });
  return object as Reflected;
}

const FLAGS = ['has_functions', 'has_filenames', 'has_line_numbers', 'has_inline_frames'];

function asked({ functions, filenames, lineNumbers, inlineFrames }: MappingFlags): boolean[] {
  return [functions, filenames, lineNumbers, inlineFrames];
}

/** Edits whose lines can be looked at again. */
type MapEdits = ProfileEdits & { readonly lines: ReadonlyMap<number, readonly NewLine[]> };

/** What `after` must be, given `before` and the edits, as two independent readers see it. */
async function assertSpliced(raw: Uint8Array, edits: MapEdits): Promise<Uint8Array> {
  const profile = Profile.scan(raw);
  const copy = Uint8Array.from(raw);
  const result = splice(profile, edits);
  assert.equal(Buffer.compare(raw, copy), 0, 'the input was written to');
  assertUntouched(raw, result, /^/);

  const old = reflect(raw);
  const now = reflect(result);
  const bytes = (index: string) => Buffer.from(now.string_table[Number(index)]).toString('hex');
  const hex = (text: string) => Buffer.from(text).toString('hex');
  const byId = new Map(now.function.map((f) => [f.id, f]));
  assert.equal(byId.size, now.function.length, 'function ids are unique');
  assert.deepEqual(now.function.slice(0, old.function.length), old.function);
  assert.deepEqual(now.string_table.slice(0, old.string_table.length), old.string_table);
  assert.deepEqual(now.comment.slice(old.comment.length).map(bytes), edits.comments.map(hex));
  const oldUrl = hex(profile.docUrl) && bytes(old.doc_url);
  assert.equal(bytes(now.doc_url), oldUrl || hex(edits.docUrl ?? ''));
  now.mapping.forEach((mapping, i) => {
    const flags = edits.flags.get(i);
    const expected = FLAGS.map((name, k) => old.mapping[i][name] === true || (flags !== undefined && asked(flags)[k]));
    assert.deepEqual(
      FLAGS.map((name) => mapping[name]),
      expected,
    );
  });
  now.location.forEach((location, i) => {
    const lines = edits.lines.get(i);
    if (lines === undefined) {
      assert.deepEqual(location, old.location[i]);
      return;
    }
    assert.equal(location.is_folded, false);
    assert.equal(location.line.length, lines.length);
    lines.forEach((line, k) => {
      const written = location.line[k];
      assert.deepEqual([written.line, written.column], [String(line.line), String(line.column)]);
      const f = byId.get(written.function_id);
      assert.ok(f !== undefined);
      assert.deepEqual([bytes(f.name), bytes(f.filename)], [hex(line.function.name), hex(line.function.filename)]);
      const systemNames = [bytes(f.system_name), hex(line.function.systemName)];
      assert.ok(systemNames[0] === systemNames[1] || systemNames.includes(''));
      const startLines = [Number(f.start_line), line.function.startLine];
      assert.ok(startLines[0] === startLines[1] || startLines.includes(0));
    });
  });
  // New functions and strings: none that was there already, none twice.
  const strings = now.string_table.map((b) => Buffer.from(b).toString('hex'));
  const added = strings.slice(old.string_table.length);
  assert.equal(new Set(added).size, added.length);
  for (const text of added) assert.equal(strings.indexOf(text) >= old.string_table.length, true);
  const contents = now.function.map((f) => [f.name, f.system_name, f.filename].map(bytes).join() + f.start_line);
  for (let i = old.function.length; i < contents.length; i++) assert.equal(contents.indexOf(contents[i]), i);

  if (needsPprof === false) {
    // Everything else, as google/pprof sees it, samples and labels included.
    assert.deepEqual(unchanged(await oracle.text(result), edits), unchanged(await oracle.text(raw), edits));
  }
  return result;
}

/** The lines of the oracle's text that the edits do not concern. */
function unchanged(text: string, edits: ProfileEdits): string[] {
  let location = -1;
  let mapping = -1;
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('location ')) {
      location++;
      return edits.lines.has(location) ? [line.replace(/ folded \w+$/, '')] : [line];
    }
    if (line.startsWith('  line ')) return edits.lines.has(location) ? [] : [line];
    if (line.startsWith('mapping ')) {
      mapping++;
      return edits.flags.has(mapping) ? [line.replace(/( (true|false)){4}$/, '')] : [line];
    }
    if (line.startsWith('default ') && edits.docUrl) return [line.replace(/ doc ".*"$/, '')];
    return line.startsWith('function ') || line.startsWith('comment ') ? [] : [line];
  });
}

function fixture(name: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(new URL(name, FIXTURES))));
}

const NONE: MapEdits = { lines: new Map(), flags: new Map(), comments: [] };
const ALL: MappingFlags = { functions: true, filenames: true, lineNumbers: true, inlineFrames: true };

const names = ['', 'main.main', 'main.work', '/src/main.go', 'ünïcode', 'λ', 'new.one', 'новое', 'n'.repeat(300)];
const newLine: fc.Arbitrary<NewLine> = fc.record({
  function: fc.record({
    name: fc.constantFrom(...names),
    systemName: fc.constantFrom(...names),
    filename: fc.constantFrom(...names),
    startLine: fc.constantFrom(0, 0, 1, 7, 500, 2 ** 31),
  }),
  line: fc.constantFrom(0, 1, 127, 128, 70_000, 2 ** 31, 2 ** 32, 2 ** 40, -1),
  column: fc.constantFrom(0, 0, 1, 300),
});
const mappingFlags = fc.record({
  functions: fc.boolean(),
  filenames: fc.boolean(),
  lineNumbers: fc.boolean(),
  inlineFrames: fc.boolean(),
});

/** A profile and edits that fit it. */
const edited = validProfile.chain((model) =>
  fc.record({
    model: fc.constant(model),
    lines: fc.dictionary(
      fc.nat(Math.max(0, model.locations.length - 1)).map(String),
      fc.array(newLine, { maxLength: 4 }),
    ),
    flags: fc.dictionary(fc.nat(Math.max(0, model.mappings.length - 1)).map(String), mappingFlags),
    comments: fc.array(fc.constantFrom(...names), { maxLength: 2 }),
    docUrl: fc.constantFrom('', 'https://example.com/doc', ...names),
  }),
);

function toMap<T>(record: Record<string, T>, count: number): Map<number, T> {
  return new Map(count === 0 ? [] : Object.entries(record).map(([key, value]) => [Number(key), value]));
}

describe('random edits of random profiles', () => {
  test('two readers see the edits and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(edited, async ({ model, lines, flags, comments, docUrl }) => {
        const raw = encodeModel(model);
        await assertSpliced(raw, {
          lines: toMap(lines, model.locations.length),
          flags: toMap(flags, model.mappings.length),
          comments,
          docUrl,
        });
      }),
      { numRuns: 1500, seed: 7 },
    );
  });

  test('a URL is written where there is none, and only there', async () => {
    const url = 'https://example.com/doc';
    const bare = fixture(fixtures[0]);
    const once = await assertSpliced(bare, { ...NONE, docUrl: url });
    assert.equal(Profile.scan(once).docUrl, url);
    const again = Profile.scan(once);
    assert.equal(splice(again, { ...NONE, docUrl: 'https://other/' }), again.raw);
    await assertSpliced(once, { ...NONE, comments: ['x'], docUrl: 'https://other/' });
  });

  test('what was dense stays dense, as Parca asks', () => {
    let dense = 0;
    fc.assert(
      fc.property(edited, ({ model, lines, flags }) => {
        const raw = encodeModel(model);
        if (parcaRefusal(raw) !== null) return;
        dense++;
        const edits = {
          lines: toMap(lines, model.locations.length),
          flags: toMap(flags, model.mappings.length),
          comments: [],
        };
        assert.equal(parcaRefusal(splice(Profile.scan(raw), edits)), null);
      }),
      { numRuns: 2000, seed: 8 },
    );
    assert.ok(dense > 20, `only ${dense} profiles`);
  });
});

describe('profiles of Go runtimes', () => {
  for (const name of fixtures) {
    test(`${name}: names erased and written back`, async () => {
      const original = fixture(name);
      const source = Profile.scan(original);
      const erased = erase(original, { flags: 'drop' });
      const bare = Profile.scan(erased);
      assert.equal(bare.functions.count, 0);
      const { functions, strings, locations } = source;
      const lines = new Map<number, NewLine[]>();
      for (let i = 0; i < locations.count; i++) {
        assert.equal(isNamed(bare, i), false);
        if (locations.lineCount(i) === 0) continue;
        lines.set(
          i,
          locations.lines(i).map(({ functionIndex: f, line, column }) => ({
            function: {
              name: strings.text(functions.name(f)),
              systemName: strings.text(functions.systemName(f)),
              filename: strings.text(functions.filename(f)),
              startLine: functions.startLine(f),
            },
            line,
            column,
          })),
        );
      }
      const flags = new Map(source.mappings.map((m) => [m.index, { ...ALL, functions: m.hasFunctions }]));
      const result = await assertSpliced(erased, { lines, flags, comments: [] });
      assert.equal(parcaRefusal(result), null);
      // All names were in the string table still.
      assert.equal(Profile.scan(result).strings.count, strings.count);
      const frames = (p: Profile, i: number) =>
        p.locations
          .lines(i)
          .map(({ functionIndex: f, line }) => [
            p.strings.text(p.functions.name(f)),
            p.strings.text(p.functions.filename(f)),
            line,
          ]);
      const restored = Profile.scan(result);
      for (let i = 0; i < locations.count; i++) assert.deepEqual(frames(restored, i), frames(source, i));
    });
  }
});

describe('bytes', () => {
  const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const strings = ['', 'f', 'f.go'].map((s) => textField(6, s));
  const line = (name: string, filename: string, startLine = 0, systemName = ''): NewLine => ({
    function: { name, systemName, filename, startLine },
    line: 3,
    column: 0,
  });
  const hex = (raw: Uint8Array) => Buffer.from(raw).toString('hex');

  test('no edits, or edits that change nothing: the very same bytes', () => {
    const raw = concat(...strings, messageField(3, numberField(1, 1), ...[7, 8, 9, 10].map((n) => numberField(n, 1))));
    const profile = Profile.scan(raw);
    assert.equal(splice(profile, NONE), raw);
    assert.equal(splice(profile, { ...NONE, flags: new Map([[0, ALL]]) }), raw);
    const nothing = { functions: false, filenames: false, lineNumbers: false, inlineFrames: false };
    assert.equal(splice(profile, { ...NONE, flags: new Map([[0, nothing]]) }), raw);
    const buffer = Buffer.from(raw);
    assert.equal(splice(Profile.scan(buffer), NONE), buffer);
  });

  test('a location is written in place; unknown fields and padded numbers in it stay', () => {
    const kept = concat(numberField(1, 1), textField(77, 'future'), Uint8Array.of(0x18, 0x85, 0x80, 0x00));
    const raw = concat(
      ...strings,
      messageField(4, kept, messageField(4, numberField(2, 1)), messageField(4), numberField(5, 1), numberField(2, 9)),
      numberField(12, 5),
    );
    const expected = concat(
      ...strings,
      messageField(4, kept, messageField(4, numberField(1, 1), numberField(2, 3)), numberField(2, 9)),
      numberField(12, 5),
      messageField(5, numberField(1, 1), numberField(2, 1), numberField(4, 2)),
    );
    assert.equal(
      hex(splice(Profile.scan(raw), { ...NONE, lines: new Map([[0, [line('f', 'f.go')]]]) })),
      hex(expected),
    );
  });

  test('a flag that is there as 0 is set in place, others are added at the end', () => {
    const raw = concat(...strings, messageField(3, numberField(8, 0, true), numberField(1, 1), textField(50, 'x')));
    const expected = concat(
      ...strings,
      messageField(3, numberField(8, 1), numberField(1, 1), textField(50, 'x'), numberField(7, 1), numberField(10, 1)),
    );
    const flags = new Map([[0, { ...ALL, lineNumbers: false }]]);
    assert.equal(hex(splice(Profile.scan(raw), { ...NONE, flags })), hex(expected));
  });

  test('records that grow past a length of one, two, three bytes', () => {
    for (const size of [110, 125, 16_370, 16_380, 2_097_140]) {
      const raw = concat(
        ...strings,
        messageField(4, numberField(1, 1), lengthField(77, new Uint8Array(size))),
        numberField(12, 5),
      );
      const result = splice(Profile.scan(raw), {
        ...NONE,
        lines: new Map([[0, [line('f', 'f.go'), line('g', 'g.go', 2)]]]),
      });
      assertUntouched(raw, result);
      assert.equal(Profile.scan(result).locations.lineCount(0), 2);
      // No doubling: the buffer was as large as announced, some bytes for each location and line.
      assert.ok(result.buffer.byteLength - result.length <= 16 + 6 + 2 * 35);
    }
  });

  test('ids go on above the largest, beyond 2^53 exactly, and from 1 when those are used up', () => {
    const ids = (largest: bigint, wanted: string[]) => {
      const raw = concat(...strings, messageField(5, numberField(1, largest)), messageField(4, numberField(1, 1)));
      const result = splice(Profile.scan(raw), {
        ...NONE,
        lines: new Map([[0, wanted.map((name) => line(name, 'f.go'))]]),
      });
      const { functions } = Profile.scan(result);
      return Array.from({ length: functions.count }, (_, i) => functions.id(i)).slice(1);
    };
    assert.deepEqual(ids(1n, ['a', 'b']), [2n, 3n]);
    assert.deepEqual(ids(2n ** 32n, ['a', 'b']), [2n ** 32n + 1n, 2n ** 32n + 2n]);
    assert.deepEqual(ids(2n ** 53n - 1n, ['a', 'b']), [2n ** 53n, 2n ** 53n + 1n]);
    assert.deepEqual(ids(2n ** 64n - 2n, ['a']), [2n ** 64n - 1n]);
    assert.deepEqual(ids(2n ** 64n - 2n, ['a', 'b', 'c']), [2n ** 64n - 1n, 1n, 2n]);
  });

  test('which Function record is used again', () => {
    const record = (id: number, name: number, systemName: number, file: number, start: number) =>
      messageField(5, ...[id, name, systemName, file, start].map((value, i) => numberField(i + 1, value)));
    const table = ['', 'f', 'f.go', '_Zf', 'f', 'other.go'].map((s) => textField(6, s));
    const used = (records: Uint8Array[], wanted: NewLine) => {
      const raw = concat(...table, ...records, messageField(4, numberField(1, 1)));
      const result = Profile.scan(splice(Profile.scan(raw), { ...NONE, lines: new Map([[0, [wanted]]]) }));
      const index = result.locations.lines(0)[0].functionIndex;
      return index < records.length ? index : 'new';
    };
    assert.equal(used([record(1, 1, 0, 2, 9)], line('f', 'f.go', 9)), 0);
    assert.equal(used([record(1, 1, 0, 2, 0)], line('f', 'f.go', 9)), 0);
    assert.equal(used([record(1, 1, 0, 2, 9)], line('f', 'f.go', 0)), 0);
    assert.equal(used([record(1, 1, 0, 2, 9)], line('f', 'f.go', 8)), 'new');
    assert.equal(used([record(1, 1, 0, 2, 0), record(2, 1, 0, 2, 9)], line('f', 'f.go', 9)), 1, 'the exact one first');
    assert.equal(used([record(1, 1, 0, 5, 9)], line('f', 'f.go', 9)), 'new');
    assert.equal(used([record(1, 1, 3, 2, 9)], line('f', 'f.go', 9, '_Zf')), 0);
    assert.equal(used([record(1, 1, 0, 2, 9)], line('f', 'f.go', 9, '_Zf')), 0);
    assert.equal(used([record(1, 1, 3, 2, 9)], line('f', 'f.go', 9, '_Zg')), 'new');
    assert.equal(used([record(1, 4, 0, 2, 9)], line('f', 'f.go', 9)), 0, 'through a second entry of the same string');
    assert.equal(used([record(0, 1, 0, 2, 9)], line('f', 'f.go', 9)), 'new', 'an id of 0 cannot be referred to');
    assert.equal(
      used([record(1, 1, 0, 2, 9), record(1, 1, 0, 5, 9)], line('f', 'f.go', 9)),
      'new',
      'nor one that is taken again',
    );
  });

  test('a string that is equal only after decoding is another string', () => {
    const raw = concat(textField(6, ''), lengthField(6, Uint8Array.of(0xff)), messageField(4, numberField(1, 1)));
    const profile = Profile.scan(raw);
    const wanted = profile.strings.text(1);
    assert.equal(wanted, '\ufffd');
    const result = Profile.scan(splice(profile, { ...NONE, lines: new Map([[0, [line(wanted, '')]]]) }));
    assert.equal(result.functions.name(0), 2);
    assert.deepEqual([...result.strings.bytes(2)], [0xef, 0xbf, 0xbd]);
  });

  test('equal functions given as different objects become one record', () => {
    const raw = concat(...strings, ...[1, 2].map((id) => messageField(4, numberField(1, id))));
    const result = splice(Profile.scan(raw), {
      ...NONE,
      lines: new Map([
        [0, [line('g', 'g.go', 4)]],
        [1, [line('g', 'g.go', 4)]],
      ]),
    });
    assert.equal(Profile.scan(result).functions.count, 1);
    assert.equal(Profile.scan(result).strings.count, 5);
  });

  test('a record with padded tag and length', () => {
    const content = numberField(1, 1);
    const raw = concat(
      ...strings,
      Uint8Array.of(0xa2, 0x80, 0x00, 0x80 | content.length, 0x00),
      content,
      numberField(12, 5),
    );
    const result = splice(Profile.scan(raw), { ...NONE, lines: new Map([[0, [line('f', 'f.go')]]]) });
    assert.equal(Profile.scan(result).locations.lineCount(0), 1);
    assert.equal(fieldsOf(result).filter(({ number }) => number === 12).length, 1);
  });

  test('indexes that do not exist are a mistake of the caller', () => {
    const profile = Profile.scan(concat(...strings));
    assert.throws(() => splice(profile, { ...NONE, lines: new Map([[0, []]]) }), RangeError);
    assert.throws(() => splice(profile, { ...NONE, flags: new Map([[0, ALL]]) }), RangeError);
  });

  test('millions of functions of one name do not make it slow', () => {
    const count = 300_000;
    const records: Uint8Array[] = [];
    const one = concat(numberField(2, 1), numberField(4, 2), numberField(5, 1));
    for (let i = 1; i <= count; i++) {
      const content = concat(numberField(1, i), one);
      records.push(lengthField(5, content));
    }
    const locations = Array.from({ length: 2000 }, (_, i) => messageField(4, numberField(1, i + 1)));
    const profile = Profile.scan(new Uint8Array(Buffer.concat([...strings, ...records, ...locations])));
    const lines = new Map(locations.map((_, i) => [i, [line('f', `other${i}.go`, 5)]]));
    const before = process.cpuUsage();
    splice(profile, { ...NONE, lines });
    // 2000 lookups over 300,000 records each would take some seconds.
    assert.ok(process.cpuUsage(before).user < 1_000_000);
  });
});
