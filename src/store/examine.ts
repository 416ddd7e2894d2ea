/** What a file is worth to the store: its identity, and whether it can name anything. */
import { FIRST_JAVA_VERSION } from '../object/macho-fat.ts';
import { openObject } from '../object/open.ts';
import type { ByteSource } from '../bytes/source.ts';
import { recognise } from '../match/identify.ts';
import type { Identity } from '../match/identity.ts';
import type { ObjectType } from '../object/object.ts';

export interface Examination {
  readonly identity: Identity;
  readonly debugOnly: boolean;
  /** See match/sketch.ts. */
  readonly sketch: Uint8Array | null;
}

/** Throws FormatError, UnsupportedError or LimitError when the bytes are no object file that can be read. */
export type Examine = (source: ByteSource) => Examination;

export const examine: Examine = (source) => {
  const object = openObject(source);
  return { ...recognise(object), debugOnly: object.debugOnly };
};

/**
 * Why a file is of no use, and what to do; "" when it is of use. Code without symbols is only of use beside the debug info of its
 * build, which does not say where in the file its segments are.
 */
export function uselessness(identity: Identity, isBesideDebugInfo: boolean): string {
  const wrongKind = unlinkedOrCore(identity.type, identity.ids.gnu, identity.splitUnits !== null);
  if (wrongKind !== '') return wrongKind;
  const { pclntab, dwarf, symtab } = identity.symbols;
  if (pclntab || dwarf || symtab || isBesideDebugInfo) return '';
  const damage = identity.problems.length > 0 ? ` (${identity.problems.join('; ')})` : '';
  return `it holds no symbols: no Go tables, no DWARF, no symbol table${damage}; add the build as it was before it was stripped, or its debug file`;
}

/**
 * Why files of this type are never of use; "" for all others. Two kinds are "relocatable" and yet of use: kernel modules, which
 * have a build ID, and packages of split debug info.
 */
export function unlinkedOrCore(type: ObjectType, gnuId: string | null, isPackage: boolean): string {
  if (type === 'core') return 'it is a core dump; add the program that dumped it';
  if (type === 'rel' && gnuId === null && !isPackage)
    return 'it is not linked yet, its addresses mean nothing; add the program made from it';
  return '';
}

/**
 * True when the first bytes are those of an ELF, Mach-O or PE file. Cheap and generous: `openObject` has the last word.
 * Needs at least 8 bytes.
 */
export function looksLikeObject(start: Uint8Array): boolean {
  if (start.length < 8) return false;
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  switch (view.getUint32(0)) {
    case 0x7f454c46: // ELF
    case 0xfeedface: // Mach-O, 32 and 64 bit, both byte orders
    case 0xfeedfacf:
    case 0xcefaedfe:
    case 0xcffaedfe:
    case 0xcafebabf: // fat, 64 bit
      return true;
    case 0xcafebabe: // fat: a number of architectures follows; in a Java class, a version from 45 on
      return view.getUint32(4) < FIRST_JAVA_VERSION;
    default:
      return view.getUint16(0) === 0x4d5a; // MZ
  }
}
