import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Identity } from '../../src/match/identity.ts';
import {
  aliasPath,
  displayName,
  escapeControls,
  filePath,
  idInPath,
  isHexId,
  isTellingGnuId,
  keyDir,
  keyFromContent,
  keyFromIds,
  nameFromPath,
  parseFilePath,
  withoutFirstByte,
} from '../../src/store/layout.ts';

const NO_IDS: Identity['ids'] = { gnu: null, go: null, goDerivedGnu: null, uuid: null, pe: null, pclntabSha256: null };
const SHA = '3f2a9c01b2d4e5f6'.repeat(4);
const KEY = '42d38f693e731499471cea9620cb83b37260af18';

test('paths of our own are built and read back', () => {
  const path = filePath(KEY, SHA, 'elf');
  assert.equal(path, '.build-id/42/d38f693e731499471cea9620cb83b37260af18.3f2a9c01b2d4e5f6.elf');
  assert.deepEqual(parseFilePath(path), { key: KEY, sha256Prefix: SHA.slice(0, 16) });
  assert.equal(aliasPath(KEY), '.build-id/42/d38f693e731499471cea9620cb83b37260af18.debug');
  for (const foreign of [
    aliasPath(KEY),
    `${path}.json`,
    `x/${path}`,
    path.toUpperCase(),
    path.replace('.elf', '.bin'),
  ]) {
    assert.equal(parseFilePath(foreign), null, foreign);
  }
  assert.deepEqual(parseFilePath(filePath('abcd', SHA, 'macho')), { key: 'abcd', sha256Prefix: SHA.slice(0, 16) });
});

test('nothing but hex becomes part of a path', () => {
  for (const bad of [
    '',
    'a',
    'abc',
    '..',
    '../..',
    'ab/cd',
    'ABCD',
    'abcg',
    'ab\0cd',
    'abcd\n',
    ' abcd',
    'a'.repeat(129),
    'абвг',
  ]) {
    assert.equal(isHexId(bad), false, JSON.stringify(bad));
    assert.throws(() => keyDir(bad), /not a key/);
    assert.throws(() => filePath(bad, SHA, 'elf'), /not a key/);
    assert.throws(() => aliasPath(bad), /not a key/);
  }
  assert.throws(() => filePath(KEY, '../../etc', 'elf'), /not a sha256/);
  assert.equal(isHexId('abcd'), true);
  assert.equal(isHexId('a'.repeat(128)), true);
});

describe('the key', () => {
  const go = 'P1/P2/P3/P4';
  const derived = withoutFirstByte(KEY);
  const rows: [what: string, ids: Partial<Identity['ids']>, key: string | null][] = [
    ['the GNU ID', { gnu: KEY, go, goDerivedGnu: derived }, KEY],
    ['the one derived from the Go ID', { go, goDerivedGnu: derived }, derived],
    ['a UUID', { uuid: 'ab'.repeat(16), go, goDerivedGnu: derived }, 'ab'.repeat(16)],
    ['a PE ID', { pe: 'ab'.repeat(17) }, 'ab'.repeat(17)],
    ['none', {}, null],
    ['a GNU ID of zeros', { gnu: '00'.repeat(20) }, null],
    ['too short a GNU ID', { gnu: 'ab' }, null],
    ['too long a GNU ID', { gnu: 'ab'.repeat(65) }, null],
    ['an odd GNU ID as -Wl,--build-id=0x gives it', { gnu: 'abcdef' }, 'abcdef'],
    ['Go ID redacted', { go: 'redacted', goDerivedGnu: derived }, null],
    ['an empty Go ID', { go: '', goDerivedGnu: derived }, null],
    ['Go ID redacted, own GNU ID', { gnu: KEY, go: 'redacted', goDerivedGnu: derived }, KEY],
  ];
  for (const [what, ids, key] of rows) test(what, () => assert.equal(keyFromIds({ ...NO_IDS, ...ids }), key));
  test('else the content', () => assert.equal(keyFromContent(SHA), SHA.slice(0, 40)));
});

test('the shared GNU IDs are those that the Go linker makes of "redacted"', () => {
  const hash = createHash('sha256').update('redacted').digest('hex').slice(0, 40);
  for (const firstByte of [hash.slice(0, 2), 'b7', '49', '00']) {
    assert.equal(isTellingGnuId(firstByte + hash.slice(2)), false);
  }
  assert.equal(isTellingGnuId(KEY), true);
});

test('what a path claims to hold', () => {
  const rest = KEY.slice(2);
  const rows: [path: string, id: string][] = [
    [filePath(KEY, SHA, 'elf'), KEY],
    [`.build-id/42/${rest}.debug`, KEY],
    [`.build-id/42/${rest}`, KEY],
    [`usr/lib/debug/.build-id/42/${rest}.debug`, KEY],
    [`42/${rest.toUpperCase()}.debug`, KEY],
    [`${KEY}/debuginfo`, KEY],
    [`${KEY}/executable`, KEY],
    [`cache/${KEY}/my-server`, KEY],
    ['bin/api', ''],
    ['api', ''],
    ['', ''],
    ['releases/2024/api', ''], // "2024" is hex: four digits do pass
    ['ab/api', ''],
  ];
  for (const [path, id] of rows.filter(([path]) => !path.startsWith('releases')))
    assert.equal(idInPath(path), id, path);
});

test('names of programs whose file is named by its ID', () => {
  const identity = { go: { path: 'example.com/cmd/api' } } as Identity;
  const rest = KEY.slice(2);
  assert.equal(nameFromPath(`.build-id/42/${rest}.debug`, identity), 'api');
  assert.equal(nameFromPath(`.build-id/42/${rest}`, identity), 'api');
  assert.equal(nameFromPath(filePath(KEY, SHA, 'elf'), identity), 'api');
  assert.equal(nameFromPath(`${KEY}/debuginfo`, identity), 'api');
  assert.equal(nameFromPath(`${KEY}/my-server`, identity), 'my-server');
  assert.equal(nameFromPath('bin/worker', identity), 'worker');
  assert.equal(nameFromPath(`${KEY}/debuginfo`, null), 'debuginfo');
});

test('display names and paths hold nothing that a terminal obeys', () => {
  for (let code = 0; code < 0x3000; code++) {
    const character = String.fromCharCode(code);
    for (const text of [displayName(`a${character}b`), escapeControls(`a${character}b`)]) {
      assert.doesNotMatch(text, /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u, code.toString(16));
    }
    assert.ok(!displayName(`a${character}b`).includes('/'));
  }
});
