/**
 * The hash by which two builds of one program are recognised as twins: `go build` and `go build -ldflags='-s -w'` never share a
 * build ID, and `strip` can leave a file without one, but all of them have the same function table, byte for byte.
 *
 * From Go 1.16 on, SHA-256 of: header bytes 0 to 8, the counts of functions and files (u64, little endian), and everything from
 * the name table to the end of the last function record. Left out is textStart, which differs when the same code is linked at
 * another address. Up to Go 1.15, SHA-256 of the whole table, which holds addresses.
 *
 * Equal hashes mean equal functions, files and lines at equal offsets from runtime.text, not at equal addresses.
 */
import { createHash, type Hash } from 'node:crypto';
import { readRecord } from './function-tables.ts';
import type { GoSymbols } from './pclntab.ts';

/** Tables reach 200 MB: they are hashed in pieces. */
const CHUNK_BYTES = 1 << 20;

/** Lower-case hex. Throws FormatError when the table is damaged at its end. */
export function pclntabSha256(symbols: GoSymbols): string {
  const { header, table } = symbols;
  const hash = createHash('sha256');
  if (!header.layout.separateTables) {
    addRange(hash, symbols, 0, table.length);
    return hash.digest('hex');
  }
  addRange(hash, symbols, 0, 8);
  const counts = new DataView(new ArrayBuffer(16));
  counts.setBigUint64(0, BigInt(header.functionCount), true);
  counts.setBigUint64(8, BigInt(header.fileCount), true);
  hash.update(new Uint8Array(counts.buffer));
  const last = readRecord(table, header, symbols.recordOffset(symbols.functionCount - 1));
  addRange(hash, symbols, header.funcname, last.end);
  return hash.digest('hex');
}

/** Adds the table's bytes `[start, end)`. */
function addRange(hash: Hash, symbols: GoSymbols, start: number, end: number): void {
  const { source, tableFileOffset } = symbols;
  for (let at = start; at < end; at += CHUNK_BYTES) {
    hash.update(source.read(tableFileOffset + at, Math.min(CHUNK_BYTES, end - at)));
  }
}
