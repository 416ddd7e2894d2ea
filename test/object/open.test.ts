import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import { openObject } from '../../src/object/open.ts';
import { craftElf } from './craft.ts';
import { craftFat, craftMacho } from './craft-macho.ts';
import { craftPe } from './craft-pe.ts';

function open(bytes: Uint8Array | string) {
  return openObject(new BufferSource(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes));
}

test('Mach-O is opened, alone or in a universal file', () => {
  const bytes = craftMacho({ cpuType: 7 });
  assert.equal(open(bytes).format, 'macho');
  assert.equal(open(craftFat([{ cpuType: 7, bytes }])).arch, '386');
});

test('ELF is opened', () => {
  assert.equal(open(craftElf({})).format, 'elf');
});

test('PE is opened', () => {
  assert.equal(open(craftPe({})).format, 'pe');
});

describe('other object formats are refused by name', () => {
  const coff = Buffer.alloc(100);
  coff.writeUInt16LE(0x8664, 0);
  coff.writeUInt16LE(2, 2);
  const big = Buffer.alloc(100);
  big.write('0000ffff02006486', 'hex');
  for (const [what, bytes, message] of [
    ['COFF object', coff, /COFF object file/],
    ['COFF object with many sections', big, /COFF object file/],
  ] as const) {
    test(what, () => assert.throws(() => open(bytes), { name: 'UnsupportedError', message }));
  }
});

describe('anything else is described', () => {
  for (const [what, bytes, message] of [
    ['nothing', '', /empty/],
    ['archive', '!<arch>\nfoo.o/', /archive/],
    ['gzip', gzipSync('x'), /gzip/],
    ['script', '#!/bin/sh\necho', /script/],
    ['text', 'hello, world\n', /text/],
    ['a login page', '\n<!DOCTYPE html><html>', /web page/],
    ['zip', 'PK\x03\x04....', /zip/],
    ['Java class', Buffer.from('cafebabe0000003d', 'hex'), /Java/],
    ['DOS program', 'MZ' + '\0'.repeat(100), /DOS/],
    ['PE cut short', Buffer.from(craftPe({}).subarray(0, 0x70)), /DOS/],
    ['bytes', deflateRawSync('0123456789abcdef'), /begins with 33/],
    ['one byte', '\x7f', /begins with 7f/],
  ] as const) {
    test(what, () => assert.throws(() => open(bytes), { name: 'FormatError', message }));
  }
});
