/** Accept and reject as google/pprof does: its own code, compiled, is the judge. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { FormatError, LimitError } from '../../src/errors.ts';
import { checkValid } from '../../src/profile/check.ts';
import { Profile } from '../../src/profile/profile.ts';
import { splice } from '../../src/profile/splice.ts';
import { lengthField, varint } from '../support/fields.ts';
import { mutate } from '../support/mutate.ts';
import { needsPprof, PprofOracle } from '../support/pprof.ts';
import { encodeModel, messageField, numberField, textField, validProfile } from '../support/profile-model.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/profiles/', import.meta.url));
const fixtures = readdirSync(FIXTURES).filter((name) => name.endsWith('.pb.gz'));
const raws = new Map(fixtures.map((name) => [name, new Uint8Array(gunzipSync(readFileSync(FIXTURES + name)))]));

/** Why resym refuses a profile, or null. Anything but the errors a parser may throw is a failure. */
function refusal(raw: Uint8Array): string | null {
  try {
    return checkValid(Profile.scan(raw));
  } catch (error) {
    if (error instanceof FormatError || error instanceof LimitError) return error.message;
    throw error;
  }
}

let oracle: PprofOracle;
before(async () => {
  if (needsPprof === false) oracle = await PprofOracle.start();
});
after(() => {
  if (needsPprof === false) oracle.stop();
});

/** A small profile whose parts the cases replace. */
function profile(
  parts: Partial<
    Record<'strings' | 'types' | 'samples' | 'mappings' | 'locations' | 'functions' | 'more', Uint8Array[]>
  >,
): Uint8Array {
  const whole = {
    strings: ['', 'cpu', 'nanoseconds', 'main.main', 'main.go'].map((s) => textField(6, s)),
    types: [messageField(1, numberField(1, 1), numberField(2, 2))],
    samples: [messageField(2, numberField(1, 1), numberField(2, 10))],
    mappings: [messageField(3, numberField(1, 1), numberField(2, 0x400000))],
    locations: [
      messageField(
        4,
        numberField(1, 1),
        numberField(2, 1),
        numberField(3, 0x400100),
        messageField(4, numberField(1, 1)),
      ),
    ],
    functions: [messageField(5, numberField(1, 1), numberField(2, 3), numberField(4, 4))],
    more: [],
    ...parts,
  };
  return new Uint8Array(Buffer.concat(Object.values(whole).flat()));
}

const big = 2n ** 64n - 1n;
const sample = (...fields: Uint8Array[]) => [messageField(2, ...fields)];
const label = (...fields: Uint8Array[]) => sample(numberField(2, 1), messageField(3, ...fields));

const cases: [string, Uint8Array, RegExp | null][] = [
  ['a plain one', profile({}), null],
  // What google/pprof refuses.
  ['nothing', new Uint8Array(0), /empty/],
  ['no strings', profile({ strings: [] }), /no string table/],
  ['string 0 not empty', profile({ strings: [textField(6, 'cpu'), textField(6, '')] }), /first string/],
  ['string index past the table', profile({ more: [numberField(15, 5)] }), /string index 5 of 5/],
  ['string index -1', profile({ more: [numberField(14, -1n)] }), /string index negative/],
  ['comment past the table', profile({ more: [numberField(13, 9)] }), /string index 9/],
  ['group', profile({ more: [varint((30n << 3n) | 3n), varint((30n << 3n) | 4n)] }), /wire type 3/],
  ['known field of the wrong type', profile({ more: [textField(9, 'now')] }), /wire type 2/],
  ['fixed64 for a number', profile({ more: [varint((12n << 3n) | 1n), new Uint8Array(8)] }), /wire type 1/],
  ['cut short', profile({}).subarray(0, -1), /have/],
  ['time_nanos twice', profile({ more: [numberField(9, 1), numberField(9, 1)] }), /concatenated/],
  ['samples without types', profile({ types: [] }), /no sample types/],
  ['more values than types', profile({ samples: sample(numberField(2, 1), numberField(2, 2)) }), /2 values/],
  ['fewer values than types', profile({ samples: sample(numberField(1, 1)) }), /0 values/],
  ['packed values too many', profile({ samples: sample(lengthField(2, Uint8Array.of(1, 2, 3))) }), /3 values/],
  ['unknown location', profile({ samples: sample(numberField(1, 2), numberField(2, 1)) }), /location 2/],
  ['location 0', profile({ samples: sample(numberField(1, 0, true), numberField(2, 1)) }), /location 0/],
  [
    'unknown packed location',
    profile({ samples: sample(lengthField(1, Uint8Array.of(1, 3)), numberField(2, 1)) }),
    /location 3/,
  ],
  [
    'line with unknown function',
    profile({ locations: [messageField(4, numberField(1, 1), messageField(4, numberField(1, 9)))] }),
    /line without a function/,
  ],
  [
    'line without function',
    profile({ locations: [messageField(4, numberField(1, 1), messageField(4, numberField(2, 9)))] }),
    /line without a function/,
  ],
  [
    'mapping twice',
    profile({ mappings: [messageField(3, numberField(1, 1)), messageField(3, numberField(1, 1))] }),
    /two mappings have the id 1/,
  ],
  [
    'location twice',
    profile({ locations: [messageField(4, numberField(1, 1)), messageField(4, numberField(1, 1))] }),
    /two locations have the id 1/,
  ],
  [
    'function twice',
    profile({ functions: [messageField(5, numberField(1, 1)), messageField(5, numberField(1, 1))] }),
    /two functions have the id 1/,
  ],
  [
    'large location id twice',
    profile({ locations: [1n, big, big].map((id) => messageField(4, numberField(1, id))) }),
    /two locations/,
  ],
  ['mapping 0', profile({ mappings: [messageField(3)] }), /mapping 0 has the reserved id 0/],
  ['location without id', profile({ samples: [], locations: [messageField(4)] }), /location 0 has the reserved id 0/],
  [
    'function without id',
    profile({ locations: [], samples: [], functions: [messageField(5)] }),
    /function 0 has the reserved id 0/,
  ],
  [
    'function 0 for a line of function 0',
    profile({ functions: [messageField(5)], locations: [messageField(4, numberField(1, 1), messageField(4))] }),
    /reserved id 0/,
  ],
  ['label key past the table', profile({ samples: label(numberField(1, 5)) }), /string index 5/],
  ['label text past the table', profile({ samples: label(numberField(2, 5)) }), /string index 5/],
  ['label unit past the table', profile({ samples: label(numberField(3, 1), numberField(4, 5)) }), /string index 5/],
  ['label that is no message', profile({ samples: sample(numberField(2, 1), numberField(3, 1)) }), /wire type 0/],
  [
    'label cut short',
    profile({ samples: sample(numberField(2, 1), lengthField(3, Uint8Array.of(0x08))) }),
    /cut short/,
  ],
  ['packed values cut short', profile({ samples: sample(lengthField(2, Uint8Array.of(0x80))) }), /cut short/],
  ['values as fixed64', profile({ samples: sample(varint((2n << 3n) | 1n), new Uint8Array(8)) }), /wire type 1/],
  [
    'a sample with too many values before one that cannot be read',
    profile({
      samples: [...sample(numberField(2, 1), numberField(2, 1)), ...sample(lengthField(2, Uint8Array.of(0x80)))],
    }),
    /cut short/,
  ],
  // What it accepts, though one may wonder.
  ['unknown mapping', profile({ locations: [messageField(4, numberField(1, 1), numberField(2, 7))] }), null],
  ['no samples, no types', profile({ types: [], samples: [] }), null],
  ['no mappings', profile({ mappings: [] }), null],
  [
    'sparse ids up to 2^64 - 1',
    profile({
      locations: [1n, big, 2n ** 32n].map((id) => messageField(4, numberField(1, id))),
      samples: sample(numberField(1, big), numberField(1, 2n ** 32n), numberField(2, 1)),
    }),
    null,
  ],
  [
    'negative value, negative line',
    profile({
      samples: sample(numberField(2, -5n)),
      locations: [messageField(4, numberField(1, 1), messageField(4, numberField(1, 1), numberField(2, -1n)))],
    }),
    null,
  ],
  ['empty stack', profile({ samples: sample(numberField(2, 1)) }), null],
  ['default sample type that is no type', profile({ more: [numberField(14, 3)] }), null],
  [
    'unit of a label with text past the table',
    profile({ samples: label(numberField(2, 1), numberField(4, 99)) }),
    null,
  ],
  ['label without key', profile({ samples: label(numberField(3, 1)) }), null],
  [
    'invalid drop_frames',
    profile({ strings: ['', 'cpu', 'ns', '(', 'f'].map((s) => textField(6, s)), more: [numberField(7, 3)] }),
    null,
  ],
  [
    'unknown fields of every type',
    profile({
      more: [
        numberField(99, 1),
        textField(98, 'x'),
        varint((97n << 3n) | 1n),
        new Uint8Array(8),
        varint((96n << 3n) | 5n),
        new Uint8Array(4),
        Uint8Array.of(0, 0),
      ],
    }),
    null,
  ],
  ['time_nanos 0, then another', profile({ more: [numberField(9, 0, true), numberField(9, 5)] }), null],
  ['a scalar twice, the first with a bad index', profile({ more: [numberField(15, 99), numberField(15, 1)] }), null],
  [
    'id twice in one record: the last counts',
    profile({ locations: [messageField(4, numberField(1, 5), numberField(1, 1))] }),
    null,
  ],
  [
    'not UTF-8',
    profile({ strings: [textField(6, ''), ...[1, 2, 3, 4].map(() => lengthField(6, Uint8Array.of(0xff)))] }),
    null,
  ],
  [
    'a tenth byte with more than bit 64',
    profile({ more: [Uint8Array.of(0x60, ...new Array<number>(9).fill(0xff), 0x7f)] }),
    null,
  ],
];

describe('each reason, alone', () => {
  for (const [name, raw, expected] of cases) {
    test(name, async () => {
      const reason = refusal(raw);
      if (expected === null) assert.equal(reason, null);
      else assert.match(String(reason), expected);
      if (needsPprof === false) {
        const theirs = await oracle.refusal(raw);
        assert.equal(theirs === null, reason === null, `google/pprof: ${theirs ?? 'ok'}`);
      }
    });
  }
});

describe('as google/pprof', { skip: needsPprof }, () => {
  test('profiles of Go runtimes', async () => {
    for (const [name, raw] of raws) {
      assert.equal(refusal(raw), null, name);
      assert.equal(await oracle.refusal(raw), null, name);
    }
  });

  test('random valid profiles are accepted by both', async () => {
    await fc.assert(
      fc.asyncProperty(validProfile, async (model) => {
        const raw = encodeModel(model);
        assert.equal(await oracle.refusal(raw), null);
        assert.equal(refusal(raw), null);
      }),
      { numRuns: 500, seed: 4 },
    );
  });

  test('12,000 damaged profiles', async (t) => {
    const originals = [
      ...[...raws.values()].filter(({ length }) => length < 8000),
      ...fc.sample(validProfile, { numRuns: 40, seed: 5 }).map(encodeModel),
      profile({}),
    ];
    let accepted = 0;
    let slowest = 0;
    const differences: string[] = [];
    const pending: Promise<void>[] = [];
    for (let seed = 0; seed < 12_000; seed++) {
      const raw = mutate(originals[seed % originals.length], seed);
      if (raw[0] === 0x1f && raw[1] === 0x8b) continue; // gzip to a client: another door
      const from = performance.now();
      const reason = refusal(raw);
      use(raw);
      slowest = Math.max(slowest, performance.now() - from);
      if (reason === null) accepted++;
      pending.push(
        oracle.refusal(raw).then((theirs) => {
          if ((theirs === null) !== (reason === null))
            differences.push(`seed ${seed}: resym ${reason}, google/pprof ${theirs}`);
        }),
      );
      if (pending.length === 200) await Promise.all(pending.splice(0));
    }
    await Promise.all(pending);
    t.diagnostic(`${accepted} of 12000 accepted; slowest ${slowest.toFixed(1)} ms`);
    assert.deepEqual(differences, []);
    assert.ok(accepted > 1000 && accepted < 11_000, `the mutations tell nothing: ${accepted} accepted`);
    assert.ok(slowest < 5000, `${slowest} ms`);
  });
});

/** Everything else that can be asked of a profile, damaged or not, gives an answer or a parse error. */
function use(raw: Uint8Array): void {
  try {
    const damaged = Profile.scan(raw);
    const line = { function: { name: 'f', systemName: '', filename: 'f.go', startLine: 1 }, line: 2, column: 0 };
    const lines = new Map(Array.from({ length: damaged.locations.count }, (_, i) => [i, [line, line]]));
    const flags = new Map(
      damaged.mappings.map(({ index }) => [
        index,
        { functions: true, filenames: true, lineNumbers: true, inlineFrames: true },
      ]),
    );
    const written = Profile.scan(splice(damaged, { lines, flags, comments: ['c'] }));
    assert.equal(written.locations.count, damaged.locations.count);
    damaged.positions();
    damaged.sampleWeights();
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof LimitError)) throw error;
  }
}
