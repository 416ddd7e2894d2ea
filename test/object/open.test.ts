import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import { openObject } from '../../src/object/open.ts';
import { craftElf } from './craft.ts';

function open(bytes: Uint8Array | string) {
  return openObject(new BufferSource(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes));
}

function pe(): Uint8Array {
  const bytes = Buffer.alloc(512);
  bytes.write('MZ', 0, 'latin1');
  bytes.writeUInt32LE(0x80, 0x3c);
  bytes.write('PE\0\0', 0x80, 'latin1');
  return bytes;
}

test('ELF is opened', () => {
  assert.equal(open(craftElf({})).format, 'elf');
});

describe('other object formats are refused by name', () => {
  const machO = (hex: string) => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(60)]);
  for (const [what, bytes, message] of [
    ['64-bit Mach-O', machO('cffaedfe07000001'), /Mach-O/],
    ['32-bit Mach-O, big endian', machO('feedface00000012'), /Mach-O/],
    ['fat Mach-O', machO('cafebabe00000002'), /fat/],
    ['fat 64 Mach-O', machO('cafebabf00000002'), /fat/],
    ['PE', pe(), /PE files/],
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
    ['PE cut short', Buffer.from(pe().subarray(0, 0x70)), /DOS/],
    ['bytes', deflateRawSync('0123456789abcdef'), /begins with 33/],
    ['one byte', '\x7f', /begins with 7f/],
  ] as const) {
    test(what, () => assert.throws(() => open(bytes), { name: 'FormatError', message }));
  }
});
