/** Profiles of the older formats, against what google/pprof makes of the same bytes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FormatError, LimitError } from '../../src/errors.ts';
import { convertLegacy, isLegacyProfile, legacyKind, mayBeginLegacy } from '../../src/legacy/legacy.ts';
import { needsPprof, PprofOracle } from '../support/pprof.ts';
import { decodeProfile } from '../support/decode.ts';
import { fieldsOf, numberOf } from '../support/fields.ts';
import { differenceWithinScaling } from './compare.ts';
import { BRPC, BRPC_AS_CONTENTION, JEMALLOC, JEMALLOC_AS_TCMALLOC } from './samples.ts';

const DIR = fileURLToPath(new URL('../fixtures/legacy/', import.meta.url));

const KINDS: Record<string, string> = {
  'cppbench.contention': 'contention',
  'cppbench.cpu': 'cpu',
  'cppbench.growth': 'heap',
  'cppbench.heap': 'heap',
  'cppbench.thread': 'threads',
  'cppbench.thread.all': 'threads',
  'cppbench.thread.none': 'threads',
  'go.crc32.cpu': 'cpu',
  'go.godoc.thread': 'go-count',
  'gobench.cpu': 'cpu',
  'gobench.heap': 'go-heap',
  'java.contention': 'contention',
  'java.cpu': 'cpu',
  'java.heap': 'java',
};

/** A CPU profile of these words. */
function cpu(words: readonly bigint[], size: 4 | 8, littleEndian: boolean, text = ''): Buffer {
  const view = new DataView(new ArrayBuffer(words.length * size));
  for (const [i, word] of words.entries()) {
    if (size === 8) view.setBigUint64(i * 8, BigInt.asUintN(64, word), littleEndian);
    else view.setUint32(i * 4, Number(BigInt.asUintN(32, word)), littleEndian);
  }
  return Buffer.concat([new Uint8Array(view.buffer), Buffer.from(text)]);
}

const HEADER = [0n, 3n, 0n, 10000n, 0n];
const END = [0n, 1n, 0n];
const SAMPLES = [2n, 3n, 0x401000n, 0x402001n, 0x403001n, 7n, 2n, 0x401008n, 0x402001n, 1n, 1n, 0n, 3n, 0n];
const MAPS = '00400000-00410000 r-xp 00000000 08:01 1 /bin/app\n';

const text = (body: string, maps = MAPS): string => `${body}\nMAPPED_LIBRARIES:\n${maps}`;
const heapText = (maps: string): string =>
  text(
    'heap profile: 1: 10 [1: 10] @ heapprofile\n1: 10 [1: 10] @ 0x401001 0x7f0000001001 0xffffffffffffffff 0x1',
    maps,
  );

/** Each shows one rule; the oracle says what it comes to. */
const CASES: Record<string, string | Buffer> = {
  'CPU, 64 bits, little endian': cpu([...HEADER, ...SAMPLES, ...END], 8, true, MAPS),
  'CPU, 64 bits, big endian': cpu([...HEADER, ...SAMPLES, ...END], 8, false, MAPS),
  'CPU, 32 bits, little endian': cpu([...HEADER, ...SAMPLES, ...END], 4, true, MAPS),
  'CPU, 32 bits, big endian': cpu([...HEADER, ...SAMPLES, ...END], 4, false, MAPS),
  'CPU without an end': cpu([...HEADER, ...SAMPLES], 8, true),
  'CPU without samples': cpu([...HEADER, ...END], 8, true, MAPS),
  'CPU, a handler in all stacks': cpu(
    [...HEADER, 1n, 4n, 1n, 100n, 200n, 300n, 1n, 4n, 2n, 100n, 200n, 301n, ...END],
    8,
    true,
    MAPS,
  ),
  'CPU, the leaf twice': cpu(
    [...HEADER, 1n, 3n, 0x401000n, 0x401000n, 5n, 9n, 2n, 0x408000n, 0x409000n, ...END],
    8,
    true,
  ),
  'CPU, counts that overflow': cpu([...HEADER, (1n << 63n) + 5n, 1n, 0x401000n, ...END], 8, true),
  'CPU, stacks longer than the file': cpu([...HEADER, 1n, 3n, 0x401000n], 8, true),
  'heap, sampled': text('heap profile: 10: 1000 [20: 4000] @ heap_v2/524288\n10: 1000 [20: 4000] @ 0x401001 0x402001'),
  'heap, not sampled': text('heap profile: 10: 1000 [10: 1000] @ heapprofile\n10: 1000 [10: 1000] @ 0x401001'),
  'heap, nothing allocated told': text('heap profile: 10: 1000 [0: 0] @ heapz_v2/1\n10: 1000 [0: 0] @ 0x401001'),
  "heap, Go's": text('heap profile: 10: 1000 [20: 4000] @ heap/1048576\n10: 1000 [20: 4000] @ 0x401001'),
  'heap, negative in use': text('heap profile: 1: 1 [1: 1] @ heapprofile\n-3: -300 [5: 500] @ 0x401001'),
  'heap, objects without bytes': text('heap profile: 1: 1 [1: 1] @ heap_v2/512\n3: 0 [3: 0] @ 0x401001'),
  'heap, bytes without objects': text('heap profile: 1: 1 [1: 1] @ heap_v2/512\n0: 3 [0: 3] @ 0x401001'),
  'heap, a kind nobody knows': text('heap profile: 1: 1 [1: 1] @ heapwhat/512\n1: 1 [1: 1] @ 0x401001'),
  'heap, CR LF, comments, no final newline':
    'heap profile: 1: 1 [1: 1] @ growthz\r\n# x\r\n\r\n  1: 1 [1: 1] @ 0x1 0x2',
  'heap, fragmentation': text('heap profile: 1: 1 [2: 2] @ fragmentationz\n1: 5 [2: 9] @ 0x401001'),
  'heap, no sample': text('heap profile: 1: 1 [1: 1] @ heapprofile\nhello'),
  'heap, 65 bits of address': text('heap profile: 1: 1 [1: 1] @ heapprofile\n1: 1 [1: 1] @ 0x10000000000000000'),
  'heap, a line too long': text(`heap profile: 1: 1 [1: 1] @ heapprofile\n1: 1 [1: 1] @${' 0x401001'.repeat(7300)}`),
  'heap, a line just short enough': text(
    `heap profile: 1: 1 [1: 1] @ heapprofile\n${'1: 1 [1: 1] @'.padEnd(65535 - 9)} 0x401001`,
  ),
  'maps: neighbours become one': heapText(
    '400000-401000 r-xp 00000000 08:01 1 /bin/app\n401000-402000 r-xp 00001000 08:01 1 /bin/app\n402000-403000 r-xp 00009000 08:01 1 /bin/app\n',
  ),
  'maps: the program comes first': heapText(
    '7f0000000000-7f0000100000 r-xp 0 08:01 1 /lib/libc.so.6\n400000-401000 r-xp 0 08:01 1 [heap]\n500000-501000 r-xp 0 08:01 1 /bin/app\n',
  ),
  'maps: huge pages at the front': heapText(
    '400000-402000 r-xp 0 00:00 1 /anon_hugepage\n402000-403000 r-xp 2000 08:01 1 /bin/app\n',
  ),
  'maps: the start is 0x400000': heapText('401000-402000 r-xp 1000 08:01 1 /bin/app\n'),
  'maps: the start of a split mapping': heapText(
    '7f0000002000-7f0000003000 r-xp 1000 08:01 1 /bin/app\n402000-500000 r-xp 1000 08:01 1 /b\n',
  ),
  'maps: short form, build IDs, variables, log prefixes': heapText(
    'build=/path/to\nI0412 maps.cc:12] 0x400000-0x410000: $build/app (@1000) abc123\n410000 420000 $build/lib.so\nnonsense\n',
  ),
  'maps: deleted, not executable, backwards': heapText(
    '400000-410000 r--p 0 08:01 1 /bin/app\n400000-410000 r-xp 0 08:01 1 /bin/app (deleted)\n7f0000002000-1000 r-xp 2000 08:01 1 /x\n',
  ),
  'maps: none': heapText(''),
  contention: text(
    '--- contentionz 1 ---\ncycles/second = 3200000000\nsampling period = 100\nms since reset = 5\n100 2 @ 0x401001',
  ),
  'contention, attributes in other bases': text(
    '--- mutex:\ncycles/second=0xBEBC200\nsampling period=0b1_00\n12 3 @ 0x401001',
  ),
  'contention, one number for two': text('--- contention:\n123 @ 0x401001'),
  'contention, an attribute nobody knows': text('--- contention:\ncolour=red\n123 1 @ 0x401001'),
  counts: 'goroutine profile: total 3\n2 @ 0x401001 0x402001\n#\t0x401000\tmain.f\n1 @ 0x401001\n',
  'counts, comments before': '# hello\n\nthreadcreate profile: total 1\n010 @ 0x401001\n',
  'counts, malformed': 'goroutine profile: total 3\n2 @ 0x401001 \n',
  'counts, no octal': 'goroutine profile: total 3\n09 @ 0x401001\n',
  'Java without a unit': '--- heapz 1 ---\nformat = java\n 10 1 @ 0x3 0x4\n 0x3 f (F.java:3)\n',
  'Java, odd names':
    '--- heapz 1 ---\nformat = java\nresolution = bytes\n 10 1 @ 0x3 0x4 0x5 0x6 0x7\n 0x3 f  (F.java:-3)\n 0x4 g (/a/b/libc.so)\n 0x5 generated stub/JIT\n 0x6 GC\n0x3 g (G.java:9)\n',
  'nothing known': 'hello world\n',
};

describe('legacy profiles', () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    test(`${name} is recognised`, () => {
      const bytes = readFileSync(DIR + name);
      assert.equal(legacyKind(bytes), kind);
      assert.equal(legacyKind(bytes.subarray(0, 256)), kind);
      assert.equal(isLegacyProfile(bytes), !kind.startsWith('go-'));
    });
  }

  test('every fixture is accounted for', () => {
    assert.deepEqual(
      readdirSync(DIR).filter((name) => name !== 'README.md'),
      Object.keys(KINDS),
    );
  });

  test('what is none is not taken for one', () => {
    for (const other of ['', '\n', 'hello', '<html>', 'go 1.26 trace\0\0\0', '{"a":1}', '\0'.repeat(100)])
      assert.equal(legacyKind(Buffer.from(other, 'latin1')), null, other);
    for (const other of ['x', 'goroutine', '<html>', 'go 1.26 trace\0\0\0', '--- x\n', '\0'.repeat(40)])
      assert.equal(mayBeginLegacy(Buffer.from(other, 'latin1')), false, other);
    for (const start of ['h', 'heap profile: 1', '--- content', '\0\0\0'])
      assert.ok(mayBeginLegacy(Buffer.from(start)));
  });

  test("gperftools' raw output is refused by name", () => {
    const raw = Buffer.from('--- symbol\nbinary=/bin/app\n0x401000 main\n---\n--- profile\n');
    assert.throws(() => convertLegacy(raw), /pprof --raw of gperftools|gperftools' pprof --raw/);
  });

  test('an error says which line', () => {
    assert.throws(
      () => convertLegacy(Buffer.from('heap profile: 1: 1 [1: 1] @ heapprofile\n\nhello\n')),
      (error) => error instanceof FormatError && error.offset === 41 && error.message.includes('line 3'),
    );
  });

  test('bounds', () => {
    const many = '400000-400001 r-xp 0 08:01 1 /x\n500000-500001 r-xp 0 08:01 1 /y\n'.repeat(33_000);
    assert.throws(() => convertLegacy(Buffer.from(heapText(many))), LimitError);
    const doubling = Array.from({ length: 40 }, (_, i) => `a${i + 1}z=$a${i}z$a${i}z`).join('\n');
    assert.throws(() => convertLegacy(Buffer.from(heapText(`a0z=xxxxxxxxxxxxxxxx\n${doubling}\n`))), LimitError);
    assert.throws(() => convertLegacy(Buffer.from(heapText('a=b\n'.repeat(1000)))), LimitError);
  });

  test('a large heap profile takes about as long as it is large', () => {
    let body = '';
    for (let i = 0; i < 20_000; i++) {
      body += `${i}: ${i * 10} [${i}: ${i * 10}] @`;
      for (let j = 0; j < 20; j++)
        body += ` 0x${(0x7f0000000000 + ((i * 7919 + j * 104729) % 50021) * 16).toString(16)}`;
      body += '\n';
    }
    const bytes = Buffer.from(text(`heap profile: 1: 1 [1: 1] @ heap_v2/524288\n${body}`));
    const start = performance.now();
    const profile = convertLegacy(bytes);
    const took = performance.now() - start;
    assert.ok(took < 5000, `${bytes.length} bytes took ${took} ms`);
    assert.equal(fieldsOf(profile).filter(({ number }) => number === 2).length, 20_000);
  });

  test('jemalloc: sums count, threads do not', () => {
    const { samples, sampleTypes, mappings } = decodeProfile(convertLegacy(Buffer.from(JEMALLOC)));
    assert.equal(samples.length, 2);
    assert.deepEqual(sampleTypes.slice(2), ['inuse_objects/count', 'inuse_space/bytes']);
    assert.equal(mappings[0].file, '/usr/bin/shop');
    for (const broken of [
      JEMALLOC.replace('  t*: 12: 6496 [30: 61440]\n', ''),
      JEMALLOC.replace(/@.*\n/, ''),
      JEMALLOC.replace('  t*: 13: 6688 [40: 81920]\n', ''),
      JEMALLOC.replace('  t0: 1: 192', '  u0: 1: 192'),
      'heap_v2/524288\n',
    ])
      assert.throws(() => convertLegacy(Buffer.from(broken)), FormatError);
  });

  test('the period of a sample is what the header says', () => {
    const fields = fieldsOf(convertLegacy(Buffer.from(JEMALLOC)));
    assert.equal(numberOf(fields, 12), 524288n);
  });
});

describe('legacy profiles, against google/pprof', { skip: needsPprof }, () => {
  let oracle: PprofOracle;
  before(async () => void (oracle = await PprofOracle.start()));
  after(() => oracle.stop());

  for (const name of Object.keys(KINDS)) {
    test(`${name}: the same bytes`, async () => {
      const bytes = readFileSync(DIR + name);
      const theirs = await oracle.converted(bytes);
      assert.ok(typeof theirs !== 'string', String(theirs));
      assert.equal(differenceWithinScaling(theirs, convertLegacy(bytes)), null);
    });
  }

  for (const [name, body] of Object.entries(CASES)) {
    test(name, async () => {
      const bytes = Buffer.from(body);
      let ours: Uint8Array | string;
      try {
        ours = convertLegacy(bytes);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
        ours = error.message;
      }
      const theirs = await oracle.converted(bytes);
      assert.equal(differenceWithinScaling(theirs, ours), null);
      // All are recognised but those that are none.
      if (typeof theirs !== 'string') assert.notEqual(legacyKind(bytes), null);
    });
  }

  test('jemalloc is a heap profile of its sums', async () => {
    const theirs = await oracle.converted(Buffer.from(JEMALLOC_AS_TCMALLOC));
    assert.equal(differenceWithinScaling(theirs, convertLegacy(Buffer.from(JEMALLOC))), null);
  });

  test("brpc's contention is contention with its maps marked", async () => {
    const theirs = await oracle.converted(Buffer.from(BRPC_AS_CONTENTION));
    assert.notEqual(typeof theirs, 'string');
    assert.equal(differenceWithinScaling(theirs, convertLegacy(Buffer.from(BRPC))), null);
    assert.equal((await oracle.refusal(Buffer.from(BRPC))) === null, false, 'google/pprof reads it by now');
  });
});
