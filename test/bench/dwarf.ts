/**
 * Frames of random addresses from one file with DWARF, as a whole process: wall time, first answer, peak memory.
 *
 *   node --import tsx test/bench/dwarf.ts FILE [COUNT]          resym
 *   node --import tsx test/bench/dwarf.ts FILE COUNT --addresses > a
 *   /usr/bin/time -v llvm-symbolizer --obj=FILE < a > /dev/null   the others, about the same addresses
 *   /usr/bin/time -v addr2line -afi -e FILE < a > /dev/null
 */
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import { openObject } from '../../src/object/open.ts';
import { FileSource } from '../../src/store/file.ts';
import { randomAddresses } from '../dwarf/addresses.ts';

const [path, count = '1000', mode] = process.argv.slice(2);
if (path === undefined) throw new Error('which file?');
const began = performance.now();
const since = (): string => `${(performance.now() - began).toFixed(0)} ms`;
const object = openObject(FileSource.open(path));
const addresses = randomAddresses(object, Number(count));
if (mode === '--addresses') {
  process.stdout.write(addresses.map((address) => `0x${address.toString(16)}\n`).join(''));
} else {
  const symbols = DwarfSymbols.open(object);
  if (symbols === null) throw new Error('no DWARF');
  symbols.frames(addresses[0]);
  const first = since();
  let frames = 0;
  for (const address of addresses) frames += symbols.frames(address)?.length ?? 0;
  const { maxRSS } = process.resourceUsage();
  const parts = [
    `first ${first}`,
    `all ${since()}`,
    `since start of the process ${(process.uptime() * 1000).toFixed(0)} ms`,
  ];
  parts.push(
    `${frames} frames`,
    `peak ${(maxRSS / 1024).toFixed(0)} MB`,
    `held ${(symbols.heldBytes / 2 ** 20).toFixed(0)} MB`,
  );
  process.stderr.write(`${parts.join(', ')}\n`);
}
