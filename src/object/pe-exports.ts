/**
 * What a DLL exports (data directory 0).
 *
 *   export directory, 40 bytes: .. +20 u32 functions, +24 u32 names, +28 RVA of u32 addresses (RVAs), +32 RVA of u32 names
 *   (RVAs of text, sorted), +36 RVA of u16 indexes: name i is that of address [index i]
 *   An address inside the directory is none but the text of another DLL's export: "NTDLL.RtlAllocateHeap".
 *
 * Most functions of a DLL are not exported, so what follows one is somebody else's code: the distance to the next export says
 * nothing. Where the exception table does not tell the length (leaf functions, i386), it is unknown: 0.
 */
import { ascendingOrder, reordered } from '../bytes/order.ts';
import { FormatError, LimitError } from '../errors.ts';
import { FunctionColumns, MAX_NAME_BYTES, MAX_TOTAL_NAME_BYTES, noFunctionSymbols } from './elf-symbols.ts';
import type { FunctionSymbols, ObjectSymbol } from './object.ts';
import type { FunctionExtents, FunctionImage } from './pe-functions.ts';
import type { DataDirectory } from './pe-header.ts';
import { SourceWindow } from './window.ts';

/** Ordinals have 16 bits. */
const MAX_EXPORTS = 1 << 16;
const DIRECTORY_BYTES = 40;
const NAME = 'export directory';

/** The image as the loader would see it. */
export interface PeImage extends FunctionImage {
  /** File address of RVA 0. */
  readonly base: number;
  readonly exports: DataDirectory | undefined;
  isCode(rva: number): boolean;
}

interface Exports {
  readonly length: number;
  readonly rva: Float64Array;
  /** File offset of the name. */
  readonly nameOffset: Uint32Array;
  /** The file, where names are. */
  readonly names: SourceWindow;
}

/** Every named export that is in this file, an object each, in the order of the names. */
export function readExports(image: PeImage): ObjectSymbol[] {
  const exports = exportsOf(image);
  const symbols: ObjectSymbol[] = [];
  let nameBytes = 0;
  for (let i = 0; exports !== null && i < exports.length; i++) {
    const name = exports.names.string(exports.nameOffset[i], MAX_NAME_BYTES);
    nameBytes += name.length;
    if (nameBytes > MAX_TOTAL_NAME_BYTES) {
      throw new LimitError(`more than ${MAX_TOTAL_NAME_BYTES} characters of exported names`);
    }
    const rva = exports.rva[i];
    const kind = image.isCode(rva) ? 'function' : 'object';
    symbols.push({ name, address: image.base + rva, size: 0, kind, binding: 'global' });
  }
  return symbols;
}

/** The exported functions in columns. */
export function readExportedFunctions(image: PeImage, extents: FunctionExtents): FunctionSymbols {
  const exports = exportsOf(image);
  if (exports === null) return noFunctionSymbols();
  const { length, rva, nameOffset } = exports;
  const code = Uint32Array.from({ length }, (_, i) => i).filter((i) => image.isCode(rva[i]));
  const codeRva = reordered(rva, code);
  const order = ascendingOrder(codeRva);
  const sorted = reordered(codeRva, order);
  return new FunctionColumns(
    sorted.map((at) => image.base + at),
    sorted.map((at) => Math.max(0, extents.endOf(at) - at)),
    reordered(reordered(nameOffset, code), order),
    new Uint8Array(code.length).fill(1),
    exports.names,
  );
}

function exportsOf(image: PeImage): Exports | null {
  const { source, exports: directory } = image;
  if (directory === undefined || directory.rva === 0 || directory.size < DIRECTORY_BYTES) return null;
  const header = read(image, directory.rva, DIRECTORY_BYTES, NAME);
  const functionCount = header.getUint32(20, true);
  const nameCount = header.getUint32(24, true);
  if (functionCount > MAX_EXPORTS || nameCount > MAX_EXPORTS) {
    throw new LimitError(`${functionCount} exports with ${nameCount} names; the limit is ${MAX_EXPORTS}`);
  }
  const addresses = read(image, header.getUint32(28, true), 4 * functionCount, 'export addresses');
  const names = read(image, header.getUint32(32, true), 4 * nameCount, 'export names');
  const indexes = read(image, header.getUint32(36, true), 2 * nameCount, 'export ordinals');
  const rva = new Float64Array(nameCount);
  const nameOffset = new Uint32Array(nameCount);
  let length = 0;
  for (let i = 0; i < nameCount; i++) {
    const index = indexes.getUint16(2 * i, true);
    if (index >= functionCount) throw new FormatError('export ordinals', 2 * i, `${index} of ${functionCount} exports`);
    const at = addresses.getUint32(4 * index, true);
    const isForwarded = at >= directory.rva && at < directory.rva + directory.size;
    if (at === 0 || isForwarded) continue;
    const name = image.offsetOf(names.getUint32(4 * i, true), 1);
    if (name < 0) throw new FormatError('export names', 4 * i, 'a name outside the file');
    rva[length] = image.arch === 'arm' && at % 2 === 1 && image.isCode(at) ? at - 1 : at;
    nameOffset[length] = name;
    length++;
  }
  return { length, rva, nameOffset, names: new SourceWindow(source, 0, source.size, 'exported names') };
}

function read(image: PeImage, rva: number, length: number, name: string): DataView {
  if (length === 0) return new DataView(new ArrayBuffer(0));
  const offset = image.offsetOf(rva, length);
  if (offset < 0) throw new FormatError(name, 0, `${length} bytes at RVA 0x${rva.toString(16)} are not in the file`);
  const bytes = image.source.read(offset, length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
