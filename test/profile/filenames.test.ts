import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordedProfile } from '../../src/demo/replay.ts';
import { renameFiles } from '../../src/profile/filenames.ts';
import { Profile } from '../../src/profile/profile.ts';
import { decodeProfile } from '../support/decode.ts';
import { uncompressed } from '../support/erase.ts';
import { fieldsOf, lengthField } from '../support/fields.ts';

const FUNCTION = 5;
const raw = uncompressed(recordedProfile('profile'));
const moved = (name: string): string =>
  name.includes('/runtime/') || name.startsWith('runtime/') ? `/go/${name}` : name;

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

  it('keeps unknown fields of a function, and counts only the last of a repeated file', () => {
    const fields = fieldsOf(raw);
    const first = fields.findIndex(({ number }) => number === FUNCTION);
    const twice = Buffer.concat([fields[first].body, Buffer.from([0x20, 0x00, 0xa0, 0x06, 0x07, 0x20, 0x01])]);
    const odd = Buffer.concat([
      ...fields.slice(0, first).map(({ bytes }) => bytes),
      lengthField(FUNCTION, twice),
      ...fields.slice(first + 1).map(({ bytes }) => bytes),
    ]);
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
