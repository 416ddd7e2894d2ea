import { stat } from 'node:fs/promises';
import { isParseError, messageOf } from '../errors.ts';
import { areTwins } from '../store/archived.ts';
import type { ListFilter } from '../store/filter.ts';
import { openStore } from '../open-store.ts';
import { filesOfProcess, ProcessError } from '../store/process.ts';
import { scanForBinaries } from '../store/scan.ts';
import { type AddResult, type StoredBinary, StoreError, type SymbolStore } from '../store/store.ts';
import { existingArchives, namedArchive } from './archive.ts';
import { printable, printArray, printFields, printTable } from './fields.ts';
import { identityFields } from './inspect.ts';
import { UsageError } from './usage.ts';

/** Linux counts to 2^22. */
const MAX_PID = 2 ** 31 - 1;

export interface StoreOptions {
  readonly store?: string;
  readonly json?: true;
}

export async function existingStore(options: StoreOptions): Promise<SymbolStore> {
  const [place] = existingArchives(options.store);
  if (place === undefined) throw new UsageError('there is no archive yet; make one with: resym store add FILE');
  return openStore(place);
}

export interface AddOptions extends StoreOptions {
  readonly pid?: readonly string[];
}

export async function add(paths: readonly string[], options: AddOptions): Promise<void> {
  const pids = (options.pid ?? []).map(pidFrom);
  if (paths.length === 0 && pids.length === 0) throw new UsageError('give files or directories to add, or --pid');
  if (pids.length > 0 && process.platform !== 'linux') {
    throw new UsageError(
      `--pid reads /proc of Linux; on ${process.platform}: resym store add FILE, for the program and each of its libraries`,
    );
  }
  const store = await openStore(namedArchive(options.store), { create: true });
  const adding = new Adding(store, options.json !== true);
  for (const path of paths) {
    for await (const { file, name } of filesIn(path, (told, why) => adding.passedOver(told, why))) {
      try {
        await adding.add(file, file, name);
      } catch (error) {
        if (name !== undefined && isUseless(error)) adding.skipped(file, messageOf(error));
        else adding.failed(file, error);
      }
    }
  }
  for (const pid of pids) await addProcess(pid, adding);
  adding.tellSkipped();
  if (options.json) await printArray(adding.results);
}

/** Files without symbols are no failure where nobody chose them one by one. */
function isUseless(error: unknown): boolean {
  return error instanceof StoreError && (error.code === 'no-symbols' || error.code === 'not-an-object');
}

/** What was added so far, and telling so. */
class Adding {
  readonly results: AddResult[] = [];
  readonly #store: SymbolStore;
  readonly #tells: boolean;
  #passedOver = 0;

  constructor(store: SymbolStore, tells: boolean) {
    this.#store = store;
    this.#tells = tells;
  }

  /** @param told what it is called here. Rejects as SymbolStore.add does. */
  async add(file: string, told: string, name?: string): Promise<void> {
    const result = await this.#store.add(file, name === undefined ? {} : { name });
    const { others = [], ...first } = result;
    for (const each of [first, ...others]) {
      this.results.push(each);
      if (this.#tells) process.stdout.write(`${printable(told)}: ${each.note}\n`);
    }
  }

  /** An object file of no use is told; of what is none, how many there were. */
  skipped(told: string, reason: string): void {
    process.stderr.write(`skipped ${printable(told)}: ${reason}\n`);
  }

  passedOver(told: string, reason: string): void {
    if (process.stderr.isTTY) this.skipped(told, reason);
    this.#passedOver++;
  }

  tellSkipped(): void {
    if (this.#passedOver > 0)
      process.stderr.write(`skipped ${this.#passedOver} files that are none a program is made of\n`);
  }

  failed(told: string, error: unknown): void {
    process.stderr.write(`resym: ${printable(told)}: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

async function addProcess(pid: number, adding: Adding): Promise<void> {
  try {
    for await (const found of filesOfProcess(pid)) {
      if ('skipped' in found) {
        if (found.isFailure) adding.failed(found.mapped, found.skipped);
        else process.stderr.write(`skipped ${printable(found.mapped)}: ${found.skipped}\n`);
        continue;
      }
      try {
        await adding.add(found.file, found.mapped, found.name);
      } catch (error) {
        if (isUseless(error)) adding.skipped(found.mapped, messageOf(error));
        else adding.failed(found.mapped, error);
      }
    }
  } catch (error) {
    if (!(error instanceof ProcessError) && !isParseError(error)) throw error;
    adding.failed(`--pid ${pid}`, error);
  }
}

function pidFrom(text: string): number {
  const pid = Number(text);
  if (!/^[0-9]+$/.test(text) || pid === 0 || pid > MAX_PID) {
    throw new UsageError(`--pid takes the number of a process, not ${JSON.stringify(text)}`);
  }
  return pid;
}

/** A file as given, or what a directory holds, each with the name it is to have; what is left out there is said on stderr. */
export async function* filesIn(
  path: string,
  passedOver: (path: string, why: string) => void,
): AsyncGenerator<{ file: string; name?: string }> {
  const isDirectory = await stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
  if (!isDirectory) {
    yield { file: path };
    return;
  }
  for await (const found of scanForBinaries(path)) {
    if (found.skipped === null) yield { file: found.path, name: found.name };
    else passedOver(found.path, found.skipped);
  }
}

export interface ListOptions extends StoreOptions, ListFilter {}

export async function list(options: ListOptions): Promise<void> {
  const store = await existingStore(options);
  const binaries = await store.list(options);
  const pins = await store.pins();
  if (options.json) {
    await printArray(binaries.map((binary) => ({ ...binary, pinned: pins.has(binary.key) })));
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
    pins.has(binary.key) ? 'pinned' : '',
  ]);
  const isAnyPinned = rows.some((row) => row[7] !== '');
  const shown = isAnyPinned ? rows : rows.map((row) => row.slice(0, 7));
  printTable(
    ['ID', 'NAME', 'ARCH', 'GO', 'SYMBOLS', 'BYTES', 'ADDED', 'PINNED'].slice(0, isAnyPinned ? 8 : 7),
    shown,
    new Set([5]),
  );
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
  const store = await existingStore(options);
  const binary = await store.get(id);
  if (binary === null) throw new Error(`no binary in the archive has an ID that begins with ${JSON.stringify(id)}`);
  const pinned = (await store.pins()).has(binary.key);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...binary, pinned }, null, 2)}\n`);
  else {
    printFields([
      ['key', binary.key],
      ['name', binary.name],
      ['path', binary.path],
      ['size', `${binary.sizeBytes} bytes`],
      ['SHA-256', binary.sha256 ?? 'not computed; store verify does'],
      ['added', binary.addedAt],
      ...(pinned ? [['pinned', 'gc leaves it alone'] as const] : []),
      ...identityFields(binary.identity),
      ...(await twinsOf(store, binary)).map((twin): [string, string] => ['twin', `${twin.key} ${twin.name}`]),
    ]);
  }
}

/** Builds of the same Go functions under other IDs. */
async function twinsOf(store: SymbolStore, binary: StoredBinary): Promise<StoredBinary[]> {
  const { pclntabSha256 } = binary.identity.ids;
  if (pclntabSha256 === null) return [];
  const alike = await store.find({ pclntabSha256 });
  return alike.filter((other) => other.key !== binary.key && areTwins(binary, other));
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
