import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordedProfile } from '../../src/demo/replay.ts';
import { renameFiles } from '../../src/profile/filenames.ts';
import { Profile } from '../../src/profile/profile.ts';
import { decodeProfile } from '../support/decode.ts';
import { uncompressed } from '../support/erase.ts';
import { type Field, fieldsOf, lengthField, numberOf, varint } from '../support/fields.ts';
import { needsPprof, PprofOracle } from '../support/pprof.ts';

const FUNCTION = 5;
const FILENAME = 4;
const STRING = 6;
/** Field 100 of a Function: 7. */
const UNKNOWN = Buffer.from([0xa0, 0x06, 0x07]);
const raw = uncompressed(recordedProfile('profile'));
const moved = (name: string): string =>
  name.includes('/runtime/') || name.startsWith('runtime/') ? `/go/${name}` : name;

function replaceFirst(profile: Uint8Array, record: Uint8Array): Buffer {
  const fields = fieldsOf(profile).map(({ number, bytes }) => ({ number, bytes }));
  fields.find(({ number }) => number === FUNCTION)!.bytes = record;
  return Buffer.concat(fields.map(({ bytes }) => bytes));
}

function withFirstFunction(profile: Uint8Array, change: (body: Uint8Array) => Uint8Array): Buffer {
  const [first] = fieldsOf(profile).filter(({ number }) => number === FUNCTION);
  return replaceFirst(profile, lengthField(FUNCTION, change(first.body)));
}

describe('renaming files', () => {
  it('changes the file of every function it is asked to, and nothing else', () => {
    const renamed = renameFiles(Profile.scan(raw), moved);
    const [before, after] = [decodeProfile(raw), decodeProfile(renamed)];
    assert.equal(after.functions.size, before.functions.size);
    let changed = 0;
    before.functions.forEach((old, id) => {
      assert.deepEqual(after.functions.get(id), { ...old, file: moved(old.file) });
      if (moved(old.file) !== old.file) changed++;
    });
    assert.ok(changed > 10, `${changed} changed`);
    const others = (profile: Uint8Array) => fieldsOf(profile).filter(({ number }) => number !== FUNCTION);
    const [old, now] = [others(raw), others(renamed)];
    assert.deepEqual(
      now.slice(0, old.length).map(({ bytes }) => Buffer.from(bytes)),
      old.map(({ bytes }) => Buffer.from(bytes)),
    );
  });

  it('gives back the very bytes when nothing changes', () => {
    const profile = Profile.scan(raw);
    assert.equal(
      renameFiles(profile, (name) => name),
      profile.raw,
    );
  });

  it('writes nothing of a function but the index of its file', () => {
    const odd = withFirstFunction(raw, (body) => Buffer.concat([UNKNOWN, body, UNKNOWN]));
    const renamed = fieldsOf(renameFiles(Profile.scan(odd), (name) => name && `/elsewhere/${name}`));
    const functions = (fields: Field[]) =>
      fields.filter(({ number }) => number === FUNCTION).map(({ body }) => fieldsOf(body));
    const [before, after] = [functions(fieldsOf(odd)), functions(renamed)];
    const strings = renamed.filter(({ number }) => number === STRING).map(({ body }) => Buffer.from(body).toString());
    assert.equal(after.length, before.length);
    for (const [i, fields] of before.entries()) {
      assert.deepEqual(
        after[i].map(({ number, bytes }) => (number === FILENAME ? number : Buffer.from(bytes).toString('hex'))),
        fields.map(({ number, bytes }) => (number === FILENAME ? number : Buffer.from(bytes).toString('hex'))),
      );
      const name = (of: Field[]) => strings[Number(numberOf(of, FILENAME))];
      const old = name(fields);
      assert.equal(name(after[i]), old && `/elsewhere/${old}`);
    }
    assert.equal(new Set(strings).size, strings.length, 'a new name is written once');
  });

  it('gives a file to a function without the field, in records written in unusual ways', () => {
    const bare = withFirstFunction(raw, (body) =>
      Buffer.concat(fieldsOf(body).flatMap(({ number, bytes }) => (number === FILENAME ? [] : [bytes]))),
    );
    // Its tag and length padded, and its name's index too.
    const [first] = fieldsOf(bare).filter(({ number }) => number === FUNCTION);
    const length = Buffer.from([0x80 | first.body.length, 0x80, 0x00]);
    const padded = replaceFirst(bare, Buffer.concat([Buffer.from([0xaa, 0x00]), length, first.body]));
    for (const odd of [bare, padded]) {
      const [before] = decodeProfile(odd).functions.values();
      assert.equal(before.file, '');
      const renamed = renameFiles(Profile.scan(odd), (name) => name || '/some/file.go');
      const [after] = decodeProfile(renamed).functions.values();
      assert.deepEqual(after, { ...before, file: '/some/file.go' });
    }
  });

  it('gives up on more files than any program has, in good time', () => {
    const count = 2 ** 18 + 1;
    const parts = [lengthField(STRING, Buffer.alloc(0))];
    for (let i = 1; i <= count; i++) {
      const fields = [Buffer.from([0x08]), varint(BigInt(i)), Buffer.from([FILENAME << 3]), varint(BigInt(i))];
      parts.push(lengthField(FUNCTION, Buffer.concat(fields)), lengthField(STRING, Buffer.from(`f${i}`)));
    }
    const many = Profile.scan(Buffer.concat(parts));
    let asked = 0;
    const renamed = renameFiles(many, (name) => `${asked++}/${name}`);
    assert.equal(renamed, many.raw);
    assert.ok(asked < count);
    const fewer = Profile.scan(Buffer.concat(parts.slice(0, -2)));
    assert.notEqual(
      renameFiles(fewer, (name) => `/${name}`),
      fewer.raw,
    );
  });

  it('leaves names alone that are not UTF-8', () => {
    const strings = fieldsOf(raw).filter(({ number }) => number === STRING);
    const own = strings.length;
    const index = varint(BigInt(own));
    const named = withFirstFunction(raw, (body) => Buffer.concat([body, Buffer.from([0x20]), index]));
    const odd = Buffer.concat([named, lengthField(STRING, Buffer.from('2fff2f78', 'hex'))]);
    const profile = Profile.scan(odd);
    assert.equal(
      renameFiles(profile, (name) => name.replace(/^\/\ufffd/, '/moved')),
      profile.raw,
    );
  });

  it('gives what google/pprof takes for the same profile with other files', { skip: needsPprof }, async () => {
    const oracle = await PprofOracle.start();
    try {
      for (const body of [raw, uncompressed(recordedProfile('heap'))]) {
        const renamed = renameFiles(Profile.scan(body), (name) => (name === '' ? '' : `/moved/${name}`));
        const [before, after] = [await oracle.text(body), await oracle.text(renamed)];
        assert.notEqual(after, before);
        assert.equal(after.replaceAll('/moved/', ''), before);
      }
    } finally {
      oracle.stop();
    }
  });

  it('keeps unknown fields of a function, and counts only the last of a repeated file', () => {
    const twice = Buffer.from([0x20, 0x00, 0xa0, 0x06, 0x07, 0x20, 0x01]);
    const odd = withFirstFunction(raw, (body) => Buffer.concat([body, twice]));
    const [before] = decodeProfile(odd).functions.values();
    const renamed = renameFiles(Profile.scan(odd), (name) => `/elsewhere/${name}`);
    const [after] = decodeProfile(renamed).functions.values();
    assert.equal(after.file, `/elsewhere/${before.file}`);
    const body = fieldsOf(renamed).find(({ number }) => number === FUNCTION)!.body;
    assert.deepEqual(
      fieldsOf(body)
        .filter(({ number }) => number === 100)
        .map(({ value }) => value),
      [7n],
    );
  });
});
