/** Rows 5 and 10: the persisted symbol index: what building it costs, and what a cold lookup costs when it is there. */
import { copyFileSync, existsSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openObject } from '../../../src/object/open.ts';
import { FileSource } from '../../../src/store/file.ts';
import { llvm, llvmSymbolizer } from '../anchors.ts';
import { cleanEnv, type Command, exec, interleave, NODE_FLOOR } from '../measure.ts';
import { Missing, RESYM } from '../cache.ts';
import { agreement, checkAgreement, textFrames } from '../frames.ts';
import { addressFile, compiler, gsym, libjvm, rustProgram, touch } from '../inputs.ts';
import { isCell, type Report, type Row, type Settings } from '../row.ts';
import { indexBeside, lookupCommand, zip } from './cold-dwarf.ts';
import { megabytes } from './cold-go.ts';

/** Missing until resym has the command. */
export async function hasIndexCommand(): Promise<true | Missing> {
  const failed = await exec(process.execPath, [RESYM, 'index', '--help'], { env: cleanEnv() }).then(
    () => false,
    () => true,
  );
  return failed ? new Missing('no index command yet') : true;
}

/** A file under another path, with nothing beside it. */
export function alone(path: string, dir: string, name: string): string {
  mkdirSync(dir, { recursive: true });
  const copy = join(dir, name);
  rmSync(copy, { force: true });
  try {
    linkSync(path, copy);
  } catch {
    copyFileSync(path, copy); // another file system
  }
  return copy;
}

async function withIndex(settings: Settings, report: Report): Promise<void> {
  const input = await libjvm();
  if (input instanceof Missing) return report.note(input.reason);
  const has = await hasIndexCommand();
  const file = alone(input.compressed, join(settings.scratch, 'row5'), 'libjvm.debug');
  if (has === true) await exec(process.execPath, [RESYM, 'index', file], { env: cleanEnv(), timeout: 300_000 });
  const made = has === true && !existsSync(indexBeside(file)) ? new Missing('resym index wrote no file beside') : has;
  const table = await gsym(input.compressed);
  const gsymutil = llvm('llvm-gsymutil');
  const missing = [table, gsymutil].find((part) => part instanceof Missing);
  await touch(file);
  for (const count of [1000, 10_000]) {
    const addresses = await addressFile(input.compressed, count);
    const title = `${count} addresses, index present`;
    const output = (name: string): string => join(settings.scratch, `row5-${name}.txt`);
    const pairs = join(settings.scratch, `row5-pairs-${count}`);
    writeFileSync(
      pairs,
      readFileSync(addresses, 'utf8')
        .replace(/$/gm, ` ${table instanceof Missing ? '' : table}`)
        .replace(/\n [^\n]*$/, '\n'),
    );
    const theirs = (args: readonly string[], stdin?: string): Command | Missing =>
      missing instanceof Missing || gsymutil instanceof Missing
        ? (missing as Missing)
        : { argv: [gsymutil, ...args], stdout: output('gsym'), ...(stdin === undefined ? {} : { stdin }) };
    const cells = await interleave(
      {
        'node floor': NODE_FLOOR,
        'gsymutil floor': theirs(['--version']),
        resym: made === true ? lookupCommand(file, addresses, output('resym')) : made,
        'llvm-gsymutil': theirs(['--addresses-from-stdin'], pairs),
        'llvm-symbolizer, DWARF': llvmSymbolizer(input.compressed, addresses, output('llvm')),
      },
      settings.runs,
    );
    report.cells(title, cells);
    const floors = ['node floor', 'gsymutil floor'] as const;
    report.ratio(title, 'wall', cells, 'resym', 'llvm-gsymutil', count === 1000 ? 1.5 : 0.6, floors);
    report.ratio(title, 'wall', cells, 'resym', 'llvm-symbolizer, DWARF', 0.04);
    report.ratio(title, 'rss', cells, 'resym', 'llvm-gsymutil', null);
    if (!isCell(cells.get('resym'))) continue;
    const ours = await textFrames(output('resym'), 'addr2line');
    const reference = alone(input.compressed, join(settings.scratch, 'row5-dwarf'), 'libjvm.debug');
    await interleave({ dwarf: lookupCommand(reference, addresses, output('dwarf')) }, 1);
    const same = agreement(zip(ours, await textFrames(output('dwarf'), 'addr2line')));
    checkAgreement(report, title, 'as from DWARF', same, { places: 1, names: 1, frames: 1 });
    if (!isCell(cells.get('llvm-symbolizer, DWARF'))) continue;
    const found = agreement(zip(ours, await textFrames(output('llvm'), 'llvm')));
    checkAgreement(report, title, 'as llvm-symbolizer', found, { places: 0.99, names: 0.97, frames: 0.99 });
  }
}

/** Bytes of all debug sections, decompressed. */
function rawDwarf(file: string): number {
  const object = openObject(FileSource.open(file));
  let bytes = 0;
  for (const section of object.sections) {
    if (section.name.startsWith('.debug_') || section.name.startsWith('.zdebug_'))
      bytes += section.compression === 'none' ? section.size : object.sectionData(section).length;
  }
  return bytes;
}

async function build(settings: Settings, report: Report): Promise<void> {
  const has = await hasIndexCommand();
  const gsymutil = llvm('llvm-gsymutil');
  const [jvm, rust, go] = [await libjvm(), await rustProgram(), await compiler()];
  const targets = [
    { name: 'C++ compressed', file: jvm instanceof Missing ? jvm : jvm.compressed, judged: true },
    { name: 'C++ uncompressed', file: jvm instanceof Missing ? jvm : jvm.uncompressed, judged: true },
    { name: 'Rust', file: rust, judged: false },
    { name: 'Go', file: go instanceof Missing ? go : go.binary, judged: false },
  ];
  for (const { name, file, judged } of settings.quick ? targets.slice(2, 3) : targets) {
    if (file instanceof Missing) {
      report.note(`${name}: ${file.reason}`);
      continue;
    }
    const title = `${name}, ${megabytes(file)} MB`;
    const ours = join(settings.scratch, 'row10.symidx');
    const theirs = join(settings.scratch, 'row10.gsym');
    await touch(file);
    const convert = ['--num-threads=1', `--convert=${file}`, `--out-file=${theirs}`];
    const cells = await interleave(
      {
        'node floor': NODE_FLOOR,
        'resym index': has === true ? { argv: [process.execPath, RESYM, 'index', file, '-o', ours] } : has,
        'llvm-gsymutil': gsymutil instanceof Missing ? gsymutil : { argv: [gsymutil, ...convert] },
      },
      settings.runs,
    );
    report.cells(title, cells);
    report.ratio(title, 'wall', cells, 'resym index', 'llvm-gsymutil', judged ? 0.8 : null);
    report.ratio(title, 'rss', cells, 'resym index', 'llvm-gsymutil', judged ? 0.4 : null);
    const raw = rawDwarf(file);
    const size = (path: string): string => {
      const { size: bytes } = statSync(path, { throwIfNoEntry: false }) ?? { size: NaN };
      return `${(bytes / 1e6).toFixed(1)} MB, ${((bytes / raw) * 100).toFixed(1)} % of ${(raw / 1e6).toFixed(0)} MB DWARF`;
    };
    if (isCell(cells.get('llvm-gsymutil'))) report.say(title, 'size of GSYM', size(theirs));
    if (!isCell(cells.get('resym index')) || !existsSync(ours)) continue;
    report.say(title, 'size of index', size(ours));
    const value = statSync(ours).size / raw;
    report.verdict({ case: title, what: 'size', to: 'its DWARF', value, limit: judged ? 0.12 : null });
  }
  report.note('whether an index answers as DWARF does: row 5');
}

export const rows: readonly Row[] = [
  { number: 5, title: 'cold lookup with the index present', run: withIndex },
  { number: 10, title: 'index build', run: build },
];
