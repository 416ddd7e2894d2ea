import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { isSketch, makeSketch, nameHash, packSketch, type SketchFrame, SketchQuery } from '../../src/match/sketch.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';

const BIN = new URL('../fixtures/go/bin/', import.meta.url);
const KINDS = [
  'tiny-go1.15-linux-amd64',
  'tiny-go1.19-linux-arm64',
  'tiny-go1.21-windows-amd64',
  'tiny-go1.23-darwin-arm64',
  'tiny-go1.24-linux-amd64',
  'tiny-go1.24-linux-amd64-pie',
  'tiny-go1.26-linux-amd64',
];
const TWIN = 'tiny-go1.26-linux-amd64.unstripped';

interface Opened {
  readonly object: ObjectFile;
  readonly go: GoSymbols;
  readonly sketch: Uint8Array;
}

function opened(name: string): Opened {
  const object = openObject(new BufferSource(readFileSync(new URL(name, BIN))));
  const go = GoSymbols.open(object)!;
  return { object, go, sketch: makeSketch(object, go)! };
}

/** Where a loader's mapping says a byte lies: by the file for ELF, by the image for the others. */
function placeOf({ segments, sections, format }: ObjectFile, address: number): number {
  if (format === 'macho') return address - segments.find((s) => s.name === '__TEXT')!.address;
  if (format === 'pe') return address - 0x400000; // Go's ImageBase
  const text = sections.find((s) => s.name === '.text')!;
  return address - text.address + text.fileOffset;
}

/** Every `step`-th function, asked in its middle. */
function framesOf({ object, go }: Opened, step = 1): SketchFrame[] {
  const frames: SketchFrame[] = [];
  for (let i = 0; i < go.functionCount; i += step) {
    const address = Math.floor((go.functionStart(i) + go.functionEnd(i)) / 2);
    const innermost = go.frames(address)?.[0];
    if (innermost === undefined) continue;
    const place = placeOf(object, address);
    frames.push({ names: [go.functionName(i)], places: [place], line: innermost.line });
  }
  return frames;
}

for (const name of KINDS) {
  test(`${name}: every function is found in its own sketch, with its line and without`, () => {
    const binary = opened(name);
    assert.ok(isSketch(binary.sketch), 'see the condition');
    assert.ok(binary.sketch.length <= 6 * 1024 + 16, 'see the condition');
    const frames = framesOf(binary);
    assert.ok(frames.length > 500, `${frames.length} functions`);
    assert.equal(new SketchQuery(frames).score(binary.sketch), 1);
    assert.equal(new SketchQuery(frames.map(({ line: _, ...frame }) => frame)).score(binary.sketch), 1);
  });
}

test('twenty frames tell all programs apart; twins are alike', () => {
  const all = KINDS.filter((name) => !name.endsWith('-pie')).map(opened); // the code of that lies where its twin's does
  for (const own of all) {
    const frames = framesOf(own);
    const query = new SketchQuery(framesOf(own, Math.floor(frames.length / 20)));
    for (const other of all) {
      const score = query.score(other.sketch);
      if (other === own) assert.equal(score, 1);
      else assert.ok(score < 0.9, `${other.object.format} ${score}`);
    }
  }
  assert.equal(new SketchQuery(framesOf(all.at(-1)!)).score(opened(TWIN).sketch), 1);
});

test('frames elsewhere, of other lines or of other names count against a binary', () => {
  const own = opened('tiny-go1.24-linux-amd64');
  const last = framesOf(own).slice(-100); // by fine units
  const score = (change: (frame: SketchFrame) => SketchFrame): number =>
    new SketchQuery(last.map(change)).score(own.sketch);
  assert.equal(
    score((frame) => frame),
    1,
  );
  assert.equal(
    score(({ names, ...rest }) => ({ names: ['no.such', ...names], ...rest })),
    1,
    'any of the names',
  );
  assert.equal(
    score(({ places, ...rest }) => ({ ...rest, places: [2 ** 52, 0, ...places] })),
    1,
    'any of the places',
  );
  assert.ok(score((frame) => ({ ...frame, line: frame.line! + 1 })) < 0.8, 'see the condition');
  assert.ok(score((frame) => ({ ...frame, names: [`${frame.names[0]}2`] })) < 0.6);
  assert.ok(score((frame) => ({ ...frame, places: [frame.places[0] - 8192] })) < 0.6, 'see the condition');
  assert.ok(score((frame) => ({ ...frame, places: [-1] })) === 0, 'see the condition');
  assert.equal(new SketchQuery([]).score(own.sketch), 0);
});

test('names are compared in the spelling that all sources share', () => {
  const sketch = packSketch(
    [{ hash: nameHash('main.Map[go.shape.int]'), address: 0, start: 4096, end: 4200 }],
    () => 7,
  )!;
  const score = (name: string): number => new SketchQuery([{ names: [name], places: [4100], line: 7 }]).score(sketch);
  assert.equal(score('main.Map[...]'), 1);
  assert.equal(score('main.Map'), 0);
});

test('of a large program a part of the functions is kept, and the others count neither way', () => {
  const functions = Array.from({ length: 200_000 }, (_, i) => ({
    ...{ name: `f${i}`, hash: nameHash(`f${i}`) },
    ...{ address: i * 128, start: i * 128, end: i * 128 + 128 },
  }));
  const sketch = packSketch(functions, null)!;
  assert.ok(isSketch(sketch) && sketch.length <= 4096 + 16, 'see the condition');
  const score = (by: number): number =>
    new SketchQuery(functions.slice(0, 2000).map(({ name, start }) => ({ names: [name], places: [start + by] }))).score(
      sketch,
    );
  assert.equal(score(0), 1);
  assert.ok(score(1 << 20) < 0.65, `${score(1 << 20)}`);
});

test('no sketch without places, and bounded work on functions that overlap', () => {
  const { object, go } = opened(TWIN);
  assert.equal(makeSketch({ ...viewOf(object), debugOnly: true }, go), null);
  const began = performance.now();
  const wide = Array.from({ length: 100_000 }, (_, i) => ({ hash: i, address: i, start: i, end: 2 ** 31 }));
  assert.equal(
    packSketch(wide, () => 1),
    null,
  );
  const overlapping = Array.from({ length: 20_000 }, (_, i) => ({ hash: i, address: 0, start: 0, end: 1 << 17 }));
  packSketch(overlapping, () => 1);
  assert.ok(performance.now() - began < 5000, 'see the condition');
});

test('bytes that are no sketch are told from one', () => {
  const { sketch } = opened('tiny-go1.24-linux-amd64');
  for (let at = 0; at < 4; at++) {
    const other = sketch.slice();
    other[at] ^= 0x40;
    assert.equal(isSketch(other), false, `byte ${at}`);
  }
  for (const length of [0, 5, 12, sketch.length - 1]) assert.equal(isSketch(sketch.subarray(0, length)), false);
});

function viewOf(object: ObjectFile): ObjectFile {
  return Object.create(object) as ObjectFile;
}
