/** Rows 3 and 4: cold, from DWARF, no index: `lookup` in a large C++ file, a whole profile of a Rust program. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { gimli, goToolPprof, googlePprof, llvmSymbolizer } from '../anchors.ts';
import { Missing, RESYM } from '../cache.ts';
import { agreement, byAddress, checkAgreement, profileFrames, textFrames, withoutArguments } from '../frames.ts';
import { addressFile, libjvm, sampledProfile, rustProgram, touch } from '../inputs.ts';
import { type Command, interleave, NODE_FLOOR } from '../measure.ts';
import { isCell, type Report, type Row, type Settings } from '../row.ts';
import { megabytes, symbolizeCommand } from './cold-go.ts';

const LLVM = 'llvm-symbolizer';
const GIMLI = 'gimli';
const RESYM_NAME = 'resym lookup';

/** Where an index of a file would lie. */
export const indexBeside = (file: string): string => `${file}.symidx`;

export function lookupCommand(file: string, addresses: string, output: string): Command {
  return { argv: [process.execPath, RESYM, 'lookup', file], stdin: addresses, stdout: output };
}

async function lookups(settings: Settings, report: Report): Promise<void> {
  const input = await libjvm();
  if (input instanceof Missing) return report.note(input.reason);
  const program = await gimli();
  for (const form of settings.quick ? (['compressed'] as const) : (['compressed', 'uncompressed'] as const)) {
    const file = input[form];
    await touch(file);
    for (const count of settings.quick ? [100] : [100, 1000, 10_000]) {
      const addresses = await addressFile(file, count);
      const title = `${form}, ${count} addresses, ${megabytes(file)} MB`;
      const output = (name: string): string => join(settings.scratch, `row3-${name}.txt`);
      const noIndex = (): void => rmSync(indexBeside(file), { force: true });
      const theirs: Command | Missing =
        program instanceof Missing ? program : { argv: [program, file], stdin: addresses, stdout: output('gimli') };
      const cells = await interleave(
        {
          'node floor': NODE_FLOOR,
          [RESYM_NAME]: { ...lookupCommand(file, addresses, output('resym')), before: noIndex },
          [GIMLI]: theirs,
          [LLVM]: llvmSymbolizer(file, addresses, output('llvm')),
        },
        settings.runs,
      );
      report.cells(title, cells);
      report.ratio(title, 'wall', cells, RESYM_NAME, GIMLI, 1);
      report.ratio(title, 'rss', cells, RESYM_NAME, GIMLI, 1);
      report.ratio(title, 'wall', cells, RESYM_NAME, LLVM, 0.7);
      report.ratio(title, 'rss', cells, RESYM_NAME, LLVM, 0.7);
      report.ratio(title, 'wall', cells, RESYM_NAME, GIMLI, null, ['node floor', null]);
      if (!isCell(cells.get(RESYM_NAME))) continue;
      const ours = await textFrames(output('resym'), 'addr2line');
      if (isCell(cells.get(LLVM))) {
        const found = agreement(zip(ours, await textFrames(output('llvm'), 'llvm')));
        checkAgreement(report, title, `as ${LLVM}`, found, { places: 0.99, names: 0.97, frames: 0.99 });
      }
      if (isCell(cells.get(GIMLI))) {
        const found = agreement(zip(ours, await textFrames(output('gimli'), 'addr2line')));
        // Its C++ demangler writes many names in its own way.
        checkAgreement(report, title, `as ${GIMLI}`, found, { places: 0.98, names: 0.5, frames: 0.99 });
      }
    }
  }
}

export function zip<T>(a: readonly T[], b: readonly T[]): (readonly [T, T])[] {
  if (a.length !== b.length) throw new Error(`${a.length} answers and ${b.length}: the outputs were not understood`);
  return a.map((item, i) => [item, b[i]] as const);
}

async function rust(settings: Settings, report: Report): Promise<void> {
  const binary = await rustProgram();
  if (binary instanceof Missing) return report.note(binary.reason);
  const GOOGLE = 'google/pprof + llvm-symbolizer';
  const profile = await sampledProfile(binary, 1000);
  const title = `1000 locations, ${megabytes(binary)} MB`;
  const output = (name: string): string => join(settings.scratch, `row4-${name}.pb.gz`);
  await touch(binary);
  const cells = await interleave(
    {
      'node floor': NODE_FLOOR,
      'resym symbolize': {
        ...symbolizeCommand(profile, output('resym'), '--binary', binary),
        before: () => rmSync(indexBeside(binary), { force: true }),
      },
      [GOOGLE]: await googlePprof(profile, binary, output('google')),
    },
    settings.runs,
  );
  const slow = settings.quick
    ? new Missing('takes half a minute: not in a quick run')
    : await goToolPprof(profile, binary, output('go'));
  for (const [name, cell] of await interleave({ 'go tool pprof (once)': slow }, 1)) cells.set(name, cell);
  report.cells(title, cells);
  report.ratio(title, 'wall', cells, 'resym symbolize', GOOGLE, 0.4);
  report.ratio(title, 'rss', cells, 'resym symbolize', GOOGLE, null);
  report.ratio(title, 'wall', cells, 'resym symbolize', 'go tool pprof (once)', null);
  if (!isCell(cells.get('resym symbolize')) || !isCell(cells.get(GOOGLE))) return;
  const pairs = byAddress(profileFrames(output('resym')), profileFrames(output('google')));
  const found = agreement(pairs.map(([ours, theirs]) => [ours.map(withoutArguments), theirs.map(withoutArguments)]));
  checkAgreement(report, title, `as ${GOOGLE}`, found, { places: 0.98, names: 0.97, frames: 0.99 });
}

export const rows: readonly Row[] = [
  { number: 3, title: 'cold lookup, C++ DWARF', run: lookups },
  { number: 4, title: 'cold symbolize, Rust', run: rust },
];
