/**
 * /proc/N/maps, as Linux writes it for each mapping:
 *
 *     55d0c1f3a000-55d0c1f5e000 r-xp 00004000 fe:00 247026          /srv/api (deleted)
 *     start        limit        perm offset   dev   inode           path, "[vdso]", or nothing
 *
 * Numbers are hexadecimal but for the inode. A newline in a path is written \012 and nothing else is, so that "\012" in a name looks the
 * same.
 */
import { LimitError } from '../errors.ts';

/** Executable mappings. */
const MAX_MAPPINGS = 1 << 16;

/** A line of /proc/N/maps. */
export interface ProcessMapping {
  readonly start: bigint;
  readonly limit: bigint;
  /** "r-xp" */
  readonly permissions: string;
  /** In the file. */
  readonly offset: bigint;
  readonly device: { readonly major: number; readonly minor: number };
  /** 0: no file. */
  readonly inode: bigint;
  /** One character a byte, as the kernel wrote it. */
  readonly path: string;
}

const LINE =
  /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) (\S{4}) ([0-9a-f]{1,16}) ([0-9a-f]{1,8}):([0-9a-f]{1,8}) (\d{1,20}) *(.*)$/;

/** null for what is no line of maps. @param line one character a byte */
export function parseMapping(line: string): ProcessMapping | null {
  const found = LINE.exec(line);
  if (found === null) return null;
  const [, start, limit, permissions, offset, major, minor, inode, path] = found;
  return {
    start: BigInt(`0x${start}`),
    limit: BigInt(`0x${limit}`),
    permissions,
    offset: BigInt(`0x${offset}`),
    device: { major: parseInt(major, 16), minor: parseInt(minor, 16) },
    inode: BigInt(inode),
    path,
  };
}

/** The executable mappings of maps as the kernel writes it. Throws LimitError. */
export function executableMappings(lines: Iterable<string>): ProcessMapping[] {
  const mappings: ProcessMapping[] = [];
  for (const line of lines) {
    const mapping = parseMapping(line);
    if (mapping?.permissions.includes('x') !== true) continue;
    if (mappings.length === MAX_MAPPINGS) throw new LimitError(`more than ${MAX_MAPPINGS} executable mappings`);
    mappings.push(mapping);
  }
  return mappings;
}
