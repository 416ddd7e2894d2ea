/**
 * Go build info: what `go version -m` prints.
 *
 * A blob, aligned to 16, in section .go.buildinfo (Mach-O __go_buildinfo; PE: start of .data), else anywhere in writable data:
 *
 *     +0   ff " Go buildinf:"          14 bytes
 *     +14  u8 pointer size             (pointer format)
 *     +15  u8 flags                    1: big endian; 2: inline format
 *     inline, Go 1.18 on:              +32 uvarint length, version; uvarint length, module info
 *     pointers, Go 1.13 to 1.17:       +16 pointers to two Go strings {pointer, length}, the same two
 *
 * The module info is text between two sentinels of 16 bytes, lines of tab-separated fields:
 *
 *     path  <package>                  mod  <path> <version> <sum>
 *     dep   <path> <version> <sum>     =>   <path> <version> <sum>     (replaces the dep or mod before)
 *     build <key>=<value>              either may be quoted as a Go string
 *
 * Source: src/debug/buildinfo/buildinfo.go, src/runtime/debug/mod.go.
 */
import { Buffer } from 'node:buffer';
import { Cursor } from '../bytes/cursor.ts';
import { FormatError, LimitError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import { findBytes, searchableSegments } from './find-bytes.ts';
import { unquoteGo } from './go-quoted.ts';

export interface GoModule {
  readonly path: string;
  readonly version: string;
  /** `h1:...`; "" when not recorded, as for the main module. */
  readonly sum: string;
}

export interface GoDependency extends GoModule {
  /** What was built in its place; null when nothing was. */
  readonly replace: GoModule | null;
}

export interface GoBuildInfo {
  /** "go1.24.4". */
  readonly version: string;
  /** Import path of the main package; "" when not recorded. */
  readonly path: string;
  /** null when built outside a module. */
  readonly main: GoModule | null;
  readonly deps: readonly GoDependency[];
  /** -ldflags, GOARCH, vcs.revision...; empty before Go 1.18. */
  readonly settings: Readonly<Record<string, string>>;
}

const MAGIC = Buffer.concat([Buffer.from([0xff]), Buffer.from(' Go buildinf:')]);
const ALIGNMENT = 16;
const INLINE_FLAG = 2;
const INLINE_START = 32;
/** Kubernetes has some 50 KB of dependencies. */
const MAX_TEXT_BYTES = 16 << 20;
const SENTINEL_BYTES = 16;

/** null when the file has none. Throws FormatError when it is there but damaged, LimitError above 16 MiB. */
export function readBuildInfo(object: ObjectFile): GoBuildInfo | null {
  const address = findBlob(object);
  if (address < 0) return null;
  const flags = object.readAddress(address + 15, 1)[0];
  const [version, modinfo] =
    (flags & INLINE_FLAG) !== 0
      ? inlineTexts(object, address + INLINE_START)
      : [address + 16, address + 16 + object.pointerSize].map((at) => goString(object, at));
  const text = version.toString('utf8');
  return text === '' ? null : parseModInfo(text, withoutSentinels(modinfo));
}

/** File address of the blob, -1 when there is none. */
function findBlob(object: ObjectFile): number {
  const section = object.section('.go.buildinfo') ?? object.section('__go_buildinfo');
  const ranges = [
    ...(section === undefined || section.noBits
      ? []
      : [{ address: section.address, fileOffset: section.fileOffset, size: section.size }]),
    ...(object.debugOnly ? [] : searchableSegments(object))
      .filter(({ writable, executable }) => writable && !executable)
      .map(({ address, fileOffset, fileSize }) => ({ address, fileOffset, size: fileSize })),
  ];
  for (const { address, fileOffset, size } of ranges) {
    for (const offset of findBytes(object.source, fileOffset, fileOffset + size, MAGIC)) {
      const found = address + (offset - fileOffset);
      if (found % ALIGNMENT === 0 && object.fileOffsetOf(found, INLINE_START) >= 0) return found;
    }
  }
  return -1;
}

/** The two texts of the inline format, which follow each other. */
function inlineTexts(object: ObjectFile, address: number): [Buffer, Buffer] {
  let at = address;
  const next = (): Buffer => {
    const head = new Cursor(object.readAddress(at, Math.min(10, available(object, at))), true, 'Go build info', at);
    const length = head.uleb();
    at += head.offset;
    const bytes = text(object, at, length);
    at += length;
    return bytes;
  };
  return [next(), next()];
}

/** Bytes of the file from an address on, at most 10. */
function available(object: ObjectFile, address: number): number {
  for (let length = 10; length > 0; length--) if (object.fileOffsetOf(address, length) >= 0) return length;
  throw new FormatError('Go build info', 0, 'cut short');
}

/** The Go string whose header is pointed to from `address`; empty when the pointer is nil. */
function goString(object: ObjectFile, address: number): Buffer {
  const header = object.readPointer(address);
  if (header <= 0) return Buffer.alloc(0);
  const data = object.readPointer(header);
  const words = object.readAddress(header + object.pointerSize, object.pointerSize);
  const length = new Cursor(words, object.littleEndian, 'Go build info', header).word(object.pointerSize);
  return length === 0 || data <= 0 ? Buffer.alloc(0) : text(object, data, length);
}

function text(object: ObjectFile, address: number, length: number): Buffer {
  if (length > MAX_TEXT_BYTES) throw new LimitError(`Go build info of ${length} bytes; the limit is ${MAX_TEXT_BYTES}`);
  return Buffer.from(object.readAddress(address, length));
}

/** "" unless the text is framed as Go frames it. */
function withoutSentinels(modinfo: Buffer): string {
  const framed = modinfo.length >= 2 * SENTINEL_BYTES + 1 && modinfo[modinfo.length - SENTINEL_BYTES - 1] === 0x0a;
  return framed ? modinfo.subarray(SENTINEL_BYTES, modinfo.length - SENTINEL_BYTES).toString('utf8') : '';
}

function parseModInfo(version: string, modinfo: string): GoBuildInfo {
  let path = '';
  let main: GoModule | null = null;
  const deps: GoDependency[] = [];
  const settings: Record<string, string> = Object.create(null) as Record<string, string>;
  let replaceable = false;
  for (const line of modinfo.split('\n')) {
    const tab = line.indexOf('\t');
    const kind = line.slice(0, Math.max(0, tab));
    const rest = line.slice(tab + 1);
    if (kind === 'path') path = rest;
    else if (kind === 'mod') {
      main = module(rest);
      replaceable = false;
    } else if (kind === 'dep') {
      deps.push({ ...module(rest), replace: null });
      replaceable = true;
    } else if (kind === '=>' && replaceable) {
      deps.push({ ...deps.pop()!, replace: module(rest) });
    } else if (kind === 'build') {
      const [key, value] = setting(rest);
      settings[key] = value;
    }
  }
  return { version, path, main, deps, settings: { ...settings } };
}

function module(fields: string): GoModule {
  const [path = '', version = '', sum = ''] = fields.split('\t');
  return { path, version, sum };
}

function setting(text: string): [string, string] {
  const key = /^("(?:[^"\\]|\\.)*"|`[^`]*`|[^=]*)=/.exec(text);
  if (key === null) return [text, ''];
  return [unquoteGo(key[1]), unquoteGo(text.slice(key[0].length))];
}
