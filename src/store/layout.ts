/**
 * Where files lie in a store directory, and how IDs become names.
 *
 *   .build-id/ab/cdef01.3f2a9c01b2d4e5f6.elf        a file, content and all: <key[0:2]>/<key[2:]>.<sha256[0:16]>.<format>
 *   .build-id/ab/cdef01.3f2a9c01b2d4e5f6.elf.json   its facts (facts.ts)
 *   .build-id/ab/cdef01.debug                       symbolic link to the one of them that knows most
 *   .resym/incoming/                                copies under way; never looked at
 *   .resym/index/ab/cdef01.3f2a9c01.symidx         its symbol index, a cache: delete it at will (index-files.ts)
 *   .resym/pins/abcdef01                            empty: gc leaves this key alone (pins.ts)
 *   .resym/quarantine/                              damaged files with their facts (quarantine.ts)
 *   .resym/catalog.json                             facts of everything, a cache: delete it at will (snapshot.ts)
 *
 * `PPROF_BINARY_PATH=<store>/.build-id` makes google/pprof find `<B[0:2]>/<B[2:]>.debug`; gdb, perf and elfutils know
 * the same layout (Fedora's links, Debian's files). A content's name never changes, so adding is one rename, two
 * processes that add different files under one key cannot lose either, and the same file twice is the same name.
 *
 * Everything else below the root was put there by hand. It is read, never rewritten:
 *
 *   .build-id/ab/cdef01.debug, .build-id/ab/cdef01  as Linux distributions and gdb have it
 *   <hex>/debuginfo, <hex>/executable               a debuginfod client's cache
 *   <hex>/<basename>                                pprof's own ($PPROF_BINARY_PATH)
 *   anything with an object file's magic            wherever it is; a universal file counts for its default architecture
 */
import { posix } from 'node:path';
import type { ObjectFormat } from '../object/object.ts';
import type { Identity } from '../match/identity.ts';

export const BUILD_ID_DIR = '.build-id';
export const OWN_DIR = '.resym';
export const INCOMING_DIR = `${OWN_DIR}/incoming`;
export const INDEX_DIR = `${OWN_DIR}/index`;
export const INDEX_SUFFIX = '.symidx';
export const PINS_DIR = `${OWN_DIR}/pins`;
export const QUARANTINE_DIR = `${OWN_DIR}/quarantine`;
export const SNAPSHOT_FILE = `${OWN_DIR}/catalog.json`;
export const FACTS_SUFFIX = '.json';

/** Shorter IDs and prefixes name too much; also what is left of a key after its directory must not be empty. */
export const MIN_ID_CHARS = 4;

/** 64 bytes: the longest hash anyone puts into a build ID. With the suffixes it still fits a file name. */
const MAX_KEY_CHARS = 128;

const NAME_CHARS = 200;

/**
 * GNU IDs that all binaries share which were linked with `-buildid=redacted` (Bazel's rules_go), first byte left out
 * because Go releases differ in it; likewise for an empty Go ID.
 */
const SHARED_GNU_TAIL = 'b78919aff001d8366249403a2544fba2d833084f'.slice(2);

/** True for text that may become part of a path: hex, no more and no less. */
export function isHexId(text: string): boolean {
  return text.length >= MIN_ID_CHARS && text.length <= MAX_KEY_CHARS && /^[0-9a-f]+$/.test(text);
}

/** False for IDs that many different binaries carry, or that are no IDs: nothing may be concluded from them. */
export function isTellingGnuId(id: string): boolean {
  return isHexId(id) && id.slice(2) !== SHARED_GNU_TAIL && !/^(00)+$/.test(id);
}

export function isTellingGoId(id: string): boolean {
  return id.length >= MIN_ID_CHARS && id !== 'redacted' && !/^[/\s]*$/.test(id);
}

/** The IDs of a file that tell it from others; the rest are null. */
export function tellingIds(ids: Identity['ids']): Identity['ids'] {
  const goIsTelling = ids.go !== null && isTellingGoId(ids.go);
  return {
    gnu: ids.gnu !== null && isTellingGnuId(ids.gnu) ? ids.gnu : null,
    go: goIsTelling ? ids.go : null,
    goDerivedGnu:
      goIsTelling && ids.goDerivedGnu !== null && isTellingGnuId(ids.goDerivedGnu) ? ids.goDerivedGnu : null,
    uuid: ids.uuid !== null && isTellingGnuId(ids.uuid) ? ids.uuid : null,
    pe: ids.pe !== null && isTellingGnuId(ids.pe) ? ids.pe : null,
    pclntabSha256: ids.pclntabSha256,
  };
}

/**
 * What a file is filed under: its format's own ID, else the GNU ID its Go ID would give, else (`null` here) the first
 * 20 bytes of its content's sha256.
 */
export function keyFromIds(ids: Identity['ids']): string | null {
  const telling = tellingIds(ids);
  return telling.gnu ?? telling.uuid ?? telling.pe ?? telling.goDerivedGnu;
}

export function keyFromContent(sha256: string): string {
  return sha256.slice(0, 40);
}

/** The derived ID of a GNU ID, as `goDerivedGnu` states it: first byte zeroed. */
export function withoutFirstByte(gnu: string): string {
  return `00${gnu.slice(2)}`;
}

/** `.build-id/ab`, relative to the root. */
export function keyDir(key: string): string {
  if (!isHexId(key)) throw new Error(`not a key: ${JSON.stringify(key)}`);
  return `${BUILD_ID_DIR}/${key.slice(0, 2)}`;
}

/** Path of a file of that content, relative to the root. */
export function filePath(key: string, sha256: string, format: ObjectFormat): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error('not a sha256');
  return `${keyDir(key)}/${key.slice(2)}.${sha256.slice(0, 16)}.${format}`;
}

/** Path of the link to a key's best file, relative to the root. */
export function aliasPath(key: string): string {
  return `${keyDir(key)}/${key.slice(2)}.debug`;
}

/** What a path of our own making says, or null for a file put there by hand. */
export function parseFilePath(path: string): { key: string; sha256Prefix: string } | null {
  const match = /^\.build-id\/([0-9a-f]{2})\/([0-9a-f]{2,126})\.([0-9a-f]{16})\.(?:elf|macho|pe)$/.exec(path);
  return match && { key: match[1] + match[2], sha256Prefix: match[3] };
}

/** The ID a path claims to hold, which saves opening everything else first; "" when it claims none. */
export function idInPath(path: string): string {
  const own = parseFilePath(path);
  if (own !== null) return own.key;
  const parts = path.split('/');
  const name = parts.at(-1)!.toLowerCase();
  const dir = parts.at(-2)?.toLowerCase() ?? '';
  const rest = /^([0-9a-f]{2,126})(?:\.[a-z]+)?$/.exec(name)?.[1];
  if (/^[0-9a-f]{2}$/.test(dir) && rest !== undefined) return dir + rest;
  return isHexId(dir) ? dir : '';
}

/** The name of a program whose file says nothing: `.build-id/ab/cdef.debug` and `<hex>/debuginfo` are no names. */
export function nameFromPath(path: string, identity: Identity | null): string {
  const name = posix.basename(path);
  const isAnonymous = idInPath(path) !== '' && /^(?:debuginfo|executable|[0-9a-f]{2,}(?:\.[0-9a-z.]+)?)$/i.test(name);
  const program = identity?.go?.path.split('/').at(-1);
  return displayName(isAnonymous && program ? program : name);
}

/** A file name made safe to print and to keep: the last path component, no control or direction characters. */
export function displayName(name: string): string {
  const last =
    name
      .split(/[/\\]/)
      .filter((part) => part !== '' && part !== '.' && part !== '..')
      .at(-1) ?? '';
  const safe = escapeControls(last).slice(0, NAME_CHARS);
  return safe === '' ? 'unnamed' : safe;
}

/** Control, line-breaking and direction-changing characters as `\xNN` or `\u{NNNN}`. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
