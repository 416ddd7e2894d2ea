import { stat } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import { storeDir } from '../config.ts';
import { DirectoryStore } from '../store/directory.ts';
import { scanForBinaries } from '../store/scan.ts';
import type { AddResult, StoredBinary, SymbolStore } from '../store/store.ts';
import { existingStoreDir } from './archive.ts';
import { printable, printFields, printTable } from './fields.ts';
import { identityFields } from './inspect.ts';
import { UsageError } from './usage.ts';

export interface StoreOptions {
  readonly store?: string;
  readonly json?: true;
}

async function existingStore(options: StoreOptions): Promise<SymbolStore> {
  const dir = existingStoreDir(options.store);
  if (dir === null) throw new UsageError('there is no archive yet; make one with: resym store add FILE');
  return DirectoryStore.open(dir);
}

export async function add(paths: readonly string[], options: StoreOptions): Promise<void> {
  const store = await DirectoryStore.open(storeDir(options.store, process.env), { create: true });
  const results: AddResult[] = [];
  for (const path of paths) {
    for await (const file of filesIn(path)) {
      try {
        const result = await store.add(file);
        const { others = [], ...first } = result;
        for (const each of [first, ...others]) {
          results.push(each);
          if (!options.json) process.stdout.write(`${printable(file)}: ${each.note}\n`);
        }
      } catch (error) {
        process.stderr.write(`resym: ${printable(file)}: ${messageOf(error)}\n`);
        process.exitCode = 1;
      }
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
}

/** A file as given, or what a directory holds; what is left out there is said on stderr. */
async function* filesIn(path: string): AsyncGenerator<string> {
  const isDirectory = await stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
  if (!isDirectory) {
    yield path;
    return;
  }
  for await (const found of scanForBinaries(path)) {
    if (found.skipped === null) yield found.path;
    else if (process.stderr.isTTY) process.stderr.write(`${printable(found.path)}: ${found.skipped}\n`);
  }
}

export async function list(options: StoreOptions): Promise<void> {
  const binaries = await (await existingStore(options)).list();
  if (options.json) {
    process.stdout.write(`${JSON.stringify(binaries, null, 2)}\n`);
    return;
  }
  const rows = binaries.map((binary) => [
    binary.key.slice(0, 16),
    binary.name,
    binary.identity.arch,
    binary.identity.go?.version ?? '-',
    symbolsOf(binary),
    String(binary.sizeBytes),
    binary.addedAt.slice(0, 16).replace('T', ' '),
  ]);
  printTable(['ID', 'NAME', 'ARCH', 'GO', 'SYMBOLS', 'BYTES', 'ADDED'], rows, new Set([5]));
  for (const { path, problem } of binaries) {
    if (problem !== '') process.stderr.write(`resym: ${printable(path)}: ${problem}\n`);
  }
}

function symbolsOf({ identity: { symbols } }: StoredBinary): string {
  return Object.entries(symbols)
    .flatMap(([source, held]) => (held === null ? [] : source))
    .join('+');
}

export async function show(id: string, options: StoreOptions): Promise<void> {
  const binary = await (await existingStore(options)).get(id);
  if (binary === null) throw new Error(`no binary in the archive has an ID that begins with ${JSON.stringify(id)}`);
  if (options.json) process.stdout.write(`${JSON.stringify(binary, null, 2)}\n`);
  else {
    printFields([
      ['key', binary.key],
      ['name', binary.name],
      ['path', binary.path],
      ['size', `${binary.sizeBytes} bytes`],
      ['SHA-256', binary.sha256 ?? 'not computed; store verify does'],
      ['added', binary.addedAt],
      ...identityFields(binary.identity),
    ]);
  }
}

export async function remove(ids: readonly string[], options: StoreOptions): Promise<void> {
  const store = await existingStore(options);
  for (const id of ids) {
    const removed = await store.remove(id);
    for (const binary of removed) process.stdout.write(`removed ${binary.key} ${printable(binary.name)}\n`);
    if (removed.length === 0) {
      process.stderr.write(`resym: no binary in the archive has an ID that begins with ${JSON.stringify(id)}\n`);
      process.exitCode = 1;
    }
  }
}

export async function verify(options: StoreOptions): Promise<void> {
  const results = await (await existingStore(options)).verify();
  const damaged = results.filter((result) => !result.ok);
  if (damaged.length > 0) process.exitCode = 1;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    return;
  }
  for (const { binary, problem } of damaged) process.stdout.write(`${binary.path}: ${printable(problem)}\n`);
  process.stdout.write(`${results.length} checked, ${damaged.length} damaged\n`);
}
