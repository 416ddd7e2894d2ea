/**
 * Finds an id for every function that edits mention: that of a Function record the profile has already, or a new one.
 *
 * Work is proportional to what the edits need, not to what the profile holds: the table's strings are looked at once and
 * compared as bytes with those that are wanted; none is kept.
 */
import type { ProfileEdits } from './edits.ts';
import { FUNCTION, PROFILE } from './fields.ts';
import type { FunctionTable } from './functions.ts';
import type { NewFunction } from './newlines.ts';
import type { Profile } from './profile.ts';
import { LENGTH, VARINT, varintSize, type WireWriter } from './wire.ts';

const MAX_UINT64 = 0xffffffffffffffffn;

/**
 * How many records of one name are compared before a new one is written instead. Real profiles have some dozens (`init`,
 * `operator()`); a hostile one could have millions, and make each lookup as slow.
 */
const MAX_CANDIDATES = 2048;

/** Strings of more bytes are looked up whatever their length: there are few. */
const SHORT = 255;

/** More functions of one name than this are told apart by a key, which takes longer than comparing a few. */
const LONGEST_CHAIN = 16;

/** A Function record to write: string indexes instead of strings. */
interface Record {
  readonly id: number | bigint;
  readonly name: number;
  readonly systemName: number;
  readonly filename: number;
  readonly startLine: number;
}

/** A string the edits need. */
interface Wanted {
  readonly text: string;
  /** Bytes of UTF-8. */
  readonly length: number;
  /** First entry of the table with these bytes; -1 as long as there is none. */
  index: number;
  /** Entries with this name, up to LONGEST_CHAIN, and the last of them; -1 for none. */
  entries: number;
  lastEntry: number;
}

/** One of the functions the edits mention, without repetitions: numbers of wanted strings. */
interface Entry {
  readonly name: number;
  readonly systemName: number;
  readonly filename: number;
  readonly startLine: number;
  /** The entry of the same name before this one; -1 for none. */
  readonly previous: number;
  id: number | bigint;
}

type Rest = Pick<ProfileEdits, 'comments' | 'docUrl' | 'exactStartLines'>;

export class NewFunctions {
  /** String indexes of the new comments. */
  readonly comments: readonly number[];
  /** String index of the new documentation URL; 0 for none. */
  readonly docUrl: number;
  /** Bytes that `write` writes. */
  readonly size: number;
  readonly #profile: Profile;
  /** Whether a record without start line is another function than the one with it. */
  readonly #exact: boolean;
  readonly #entries: Entry[] = [];
  readonly #byKey = new Map<string, number>();
  /** For each function given its position in #entries. */
  readonly #entryOf: Int32Array;
  /** Strings the edits need, numbered in order of appearance; keys have one character per byte. */
  readonly #wanted: Wanted[] = [];
  readonly #wantedNumbers = new Map<string, number>();
  readonly #records: Record[] = [];
  /** Strings to append. */
  readonly #strings: Wanted[] = [];
  /** By length in bytes up to SHORT: 1 where a wanted string is so long. */
  readonly #lengths = new Uint8Array(SHORT + 1);

  /** `functions`: those that lines to be written refer to; several may be the same. Throws nothing of its own. */
  constructor(
    profile: Profile,
    functions: readonly NewFunction[],
    { comments, docUrl = '', exactStartLines = false }: Rest,
  ) {
    this.#profile = profile;
    this.#exact = exactStartLines;
    this.#entryOf = new Int32Array(functions.length);
    for (let i = 0; i < functions.length; i++) this.#entryOf[i] = this.#enter(functions[i]);
    const wantedComments = comments.map((text) => this.#want(text));
    const wantedUrl = docUrl === '' ? -1 : this.#want(docUrl);
    if (this.#wanted.length > 0) {
      const numbers = this.#findStrings();
      const candidates = this.#findFunctions(numbers);
      this.#assign(numbers, candidates);
    }
    this.comments = wantedComments.map((number) => this.#index(number));
    this.docUrl = wantedUrl < 0 ? 0 : this.#index(wantedUrl);
    this.size = this.#measure();
  }

  /** For each function given its id. */
  ids(): (number | bigint)[] {
    return Array.from(this.#entryOf, (entry) => this.#entries[entry].id);
  }

  /** The function's position in #entries. */
  #enter(f: NewFunction): number {
    const { startLine } = f;
    const name = this.#want(f.name);
    const systemName = f.systemName === f.name ? name : this.#want(f.systemName);
    const filename = this.#want(f.filename);
    const wanted = this.#wanted[name];
    for (let i = wanted.lastEntry; i >= 0; i = this.#entries[i].previous) {
      const other = this.#entries[i];
      if (other.filename === filename && other.startLine === startLine && other.systemName === systemName) return i;
    }
    if (wanted.entries >= LONGEST_CHAIN) return this.#enterByKey({ name, systemName, filename, startLine });
    wanted.entries++;
    const entry = { name, systemName, filename, startLine, previous: wanted.lastEntry, id: 0 };
    return (wanted.lastEntry = this.#entries.push(entry) - 1);
  }

  /** Beyond the chain. */
  #enterByKey(f: Omit<Entry, 'previous' | 'id'>): number {
    const key = `${f.name} ${f.systemName} ${f.filename} ${f.startLine}`;
    let number = this.#byKey.get(key);
    if (number === undefined) {
      number = this.#entries.push({ ...f, previous: -1, id: 0 }) - 1;
      this.#byKey.set(key, number);
    }
    return number;
  }

  #want(text: string): number {
    const known = this.#wantedNumbers.get(text);
    if (known !== undefined && this.#wanted[known].text === text) return known;
    const length = Buffer.byteLength(text);
    // Almost all names are ASCII, and then are their own key.
    const key = length === text.length ? text : Buffer.from(text).toString('latin1');
    let number = this.#wantedNumbers.get(key);
    if (number === undefined) {
      number = this.#wanted.length;
      this.#wantedNumbers.set(key, number);
      this.#wanted.push({ text, length, index: -1, entries: 0, lastEntry: -1 });
      this.#lengths[Math.min(length, SHORT)] = 1;
    }
    return number;
  }

  /** For each string of the table the number of the wanted one it equals, or -1. */
  #findStrings(): Int32Array {
    const { strings } = this.#profile;
    const numbers = new Int32Array(strings.count).fill(-1);
    for (let i = 0; i < strings.count; i++) {
      if (this.#lengths[Math.min(strings.byteLength(i), SHORT)] === 0) continue;
      const number = this.#wantedNumbers.get(strings.latin1(i));
      if (number === undefined) continue;
      numbers[i] = number;
      const wanted = this.#wanted[number];
      if (wanted.index < 0) wanted.index = i;
    }
    return numbers;
  }

  /** Chains of the profile's functions by wanted name: `first[number]`, then `next[index]`, -1 at the end. */
  #findFunctions(numbers: Int32Array): { first: Int32Array; next: Int32Array } {
    const { functions } = this.#profile;
    const first = new Int32Array(this.#wanted.length).fill(-1);
    const next = new Int32Array(functions.count).fill(-1);
    for (let i = functions.count - 1; i >= 0; i--) {
      const number = numbers[functions.name(i)];
      if (number < 0) continue;
      // A record whose id is 0 or taken again later cannot be referred to.
      const low = functions.ids.low(i);
      const high = functions.ids.high(i);
      if ((low === 0 && high === 0) || functions.byId.find(low, high) !== i) continue;
      next[i] = first[number]!;
      first[number] = i;
    }
    return { first, next };
  }

  #assign(numbers: Int32Array, candidates: { first: Int32Array; next: Int32Array }): void {
    const { functions } = this.#profile;
    const nextId = freeIds(functions);
    for (const entry of this.#entries) {
      const existing = this.#match(entry, numbers, candidates);
      if (existing >= 0) {
        entry.id = compact(functions.id(existing));
        continue;
      }
      entry.id = compact(nextId());
      this.#records.push({
        id: entry.id,
        name: this.#index(entry.name),
        systemName: this.#index(entry.systemName),
        filename: this.#index(entry.filename),
        startLine: entry.startLine,
      });
    }
  }

  /** The best record of the profile for `entry`: of equal start line, else one where either does not know it; -1 for none. */
  #match(entry: Entry, numbers: Int32Array, { first, next }: { first: Int32Array; next: Int32Array }): number {
    const { functions, strings } = this.#profile;
    const { startLine } = entry;
    const noSystemName = this.#wanted[entry.systemName].text === '';
    let fallback = -1;
    let compared = 0;
    for (let i = first[entry.name]; i >= 0 && compared < MAX_CANDIDATES; i = next[i]!, compared++) {
      if (numbers[functions.filename(i)] !== entry.filename) continue;
      const other = functions.systemName(i);
      const sameSystemName = numbers[other] === entry.systemName || strings.byteLength(other) === 0 || noSystemName;
      if (!sameSystemName) continue;
      const otherLine = functions.startLine(i);
      if (otherLine === startLine) return i;
      if (fallback < 0 && (startLine === 0 || (otherLine === 0 && !this.#exact))) fallback = i;
    }
    return fallback;
  }

  /** String index of a wanted string; appends it to the table when it is not there. */
  #index(number: number): number {
    const wanted = this.#wanted[number];
    if (wanted.index < 0) {
      wanted.index = this.#profile.strings.count + this.#strings.length;
      this.#strings.push(wanted);
    }
    return wanted.index;
  }

  #measure(): number {
    let size = 0;
    for (const record of this.#records) {
      const content = recordSize(record);
      size += 1 + varintSize(content) + content;
    }
    for (const { length } of this.#strings) size += 1 + varintSize(length) + length;
    return size;
  }

  /** Writes the new Function records, then the new strings. */
  write(writer: WireWriter): void {
    for (const record of this.#records) {
      writer.byte((PROFILE.function << 3) | LENGTH);
      writer.varint(recordSize(record));
      writer.byte((FUNCTION.id << 3) | VARINT);
      writer.varint(record.id);
      writeNumber(writer, FUNCTION.name, record.name);
      writeNumber(writer, FUNCTION.system_name, record.systemName);
      writeNumber(writer, FUNCTION.filename, record.filename);
      writeNumber(writer, FUNCTION.start_line, record.startLine);
    }
    for (const { text, length } of this.#strings) {
      writer.byte((PROFILE.string_table << 3) | LENGTH);
      writer.varint(length);
      writer.text(text, length);
    }
  }
}

/** Nothing for 0, as proto3 has it. */
function writeNumber(writer: WireWriter, field: number, value: number): void {
  if (value === 0) return;
  writer.byte((field << 3) | VARINT);
  writer.varint(value);
}

function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

/** Bytes of the content of a Function record. */
function recordSize({ id, name, systemName, filename, startLine }: Record): number {
  return 1 + varintSize(id) + numberSize(name) + numberSize(systemName) + numberSize(filename) + numberSize(startLine);
}

/** Ids above the largest, so that dense ids stay dense; when those are used up, unused ones from 1. */
function freeIds({ byId, count, ids }: FunctionTable): () => bigint {
  let last = byId.dense ? BigInt(count) : ids.sorted().big(count - 1);
  let below = 0;
  return () => {
    if (last < MAX_UINT64) return ++last;
    do below++;
    while (byId.find(below, 0) >= 0);
    return BigInt(below);
  };
}

/** A number while that is exact. */
function compact(id: bigint): number | bigint {
  return id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id;
}
