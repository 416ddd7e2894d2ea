import { Profile, isNamed } from '../../src/profile/profile.ts';
import { checkValid } from '../../src/profile/check.ts';
import { splice } from '../../src/profile/splice.ts';
import { decodeBody, encodeBody } from '../../src/profile/gzip.ts';
import { erase } from '../support/erase.ts';
import { lengthField, varint } from '../support/fields.ts';
import { messageField, numberField, textField, randomBelow } from '../support/profile-model.ts';
const [S, F, L, FN, sparse] = process.argv.slice(2).map(Number);
const r = randomBelow(1);
const parts: Uint8Array[] = [
  messageField(1, numberField(1, 1)),
  messageField(3, numberField(1, 1), numberField(2, 0x400000), numberField(3, 0x4000000)),
];
const id = (i: number) => (sparse ? BigInt(i) * 0x9e3779b97f4an + 2n ** 40n : BigInt(i));
for (let i = 1; i <= L; i++)
  parts.push(
    messageField(
      4,
      numberField(1, id(i)),
      numberField(2, 1),
      numberField(3, 0x400000 + i * 16),
      ...Array.from({ length: 1 + r(2) }, () => messageField(4, numberField(1, 1 + r(FN)), numberField(2, r(2000)))),
    ),
  );
for (let i = 1; i <= FN; i++)
  parts.push(
    messageField(
      5,
      numberField(1, i),
      numberField(2, 2 + i),
      numberField(3, 2 + i),
      numberField(4, 2 + FN + 1 + r(400)),
      numberField(5, r(3000)),
    ),
  );
for (let i = 0; i < S; i++)
  parts.push(
    messageField(
      2,
      lengthField(1, Buffer.concat(Array.from({ length: F }, () => varint(id(1 + r(L)))))),
      numberField(2, r(1e9)),
    ),
  );
for (const s of [
  '',
  'cpu',
  'ns',
  ...Array.from({ length: FN }, (_, i) => `github.com/example/service/internal/pkg${i % 97}.(*Handler).Method${i}`),
  ...Array.from({ length: 500 }, (_, i) => `/src/github.com/example/service/internal/pkg${i}/file.go`),
])
  parts.push(textField(6, s));
const raw = new Uint8Array(Buffer.concat(parts));
parts.length = 0;
const bare = new Uint8Array(erase(raw));
console.log('raw', raw.length, 'bare', bare.length);
const src = Profile.scan(raw);
const fns = Array.from({ length: FN }, (_, i) => ({
  name: src.strings.text(src.functions.name(i)),
  systemName: src.strings.text(src.functions.systemName(i)),
  filename: src.strings.text(src.functions.filename(i)),
  startLine: src.functions.startLine(i),
}));
const lines = new Map(
  Array.from({ length: L }, (_, i) => [
    i,
    src.locations.lines(i).map((l) => ({ function: fns[l.functionIndex], line: l.line, column: 0 })),
  ]),
);
const flags = new Map([[0, { functions: true, filenames: true, lineNumbers: true, inlineFrames: true }]]);
const time = (name: string, f: () => unknown, n = 15) => {
  let first = 0,
    best = Infinity;
  for (let i = 0; i < n; i++) {
    const c = process.cpuUsage();
    const t = performance.now();
    f();
    void t;
    const u = process.cpuUsage(c);
    const d = (u.user + u.system) / 1000;
    if (!i) first = d;
    best = Math.min(best, d);
  }
  console.log(name.padEnd(24), 'first', first.toFixed(1), 'best', best.toFixed(1), 'ms');
};
const N = process.env.N ? +process.env.N : L > 1e5 ? 4 : 15;
time('scan named', () => Profile.scan(raw), N);
time('scan bare', () => Profile.scan(bare), N);
time('splice bare (all)', () => splice(Profile.scan(bare), { lines, flags, comments: [] }), N);
time('scan+splice named (all)', () => splice(Profile.scan(raw), { lines, flags, comments: [] }), N);
if (process.env.ONLY) {
  for (let k = 0; k < 3; k++)
    time('many', () => splice(Profile.scan(bare), { lines, flags, comments: [] }), process.env.K ? +process.env.K : 60);
  process.exit(0);
}
time(
  'isNamed all',
  () => {
    for (let i = 0; i < L; i++) isNamed(src, i);
  },
  N,
);
time(
  'lines all',
  () => {
    for (let i = 0; i < L; i++) src.locations.lines(i);
  },
  N,
);
time('checkValid', () => checkValid(src), N);
time('positions', () => Profile.scan(raw).positions(), N);
time('weights', () => src.sampleWeights(), N);
const gz = encodeBody(raw);
if (!process.env.FAST) time('encodeBody', () => encodeBody(raw), 3);
if (!process.env.FAST) time('decodeBody', () => decodeBody(gz), 3);
console.log('rss', (process.resourceUsage().maxRSS / 1024).toFixed(0), 'MB');
