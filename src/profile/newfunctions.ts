/**
 * Finds an id for every function that edits mention: that of a Function record the profile has already, or a new one.
 *
 * Work is proportional to what the edits need, not to what the profile holds: the table's strings are looked at once and
 * compared as bytes with those that are wanted; none is kept.
 */
import type { ProfileEdits } from './edits.ts';
import { FUNCTION, PROFILE } from './fields.ts';
import type { FunctionTable } from './functions.ts';
import type { FunctionPool } from './function-pool.ts';
import type { NewLines } from './newlines.ts';
import type { Profile } from './profile.ts';
import { StringPool } from './string-pool.ts';
import { LENGTH, VARINT, varintSize, type WireWriter } from './wire.ts';

const MAX_UINT64 = 0xffffffffffffffffn;

/**
 * How many records of one name are compared before a new one is written instead. Real profiles have some dozens (`init`,
 * `operator()`); a hostile one could have millions, and make each lookup as slow.
 */
const MAX_CANDIDATES = 2048;

/** Strings of more bytes are looked up whatever their length: there are few. */
const SHORT = 255;

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
  readonly pool: StringPool;
  readonly number: number;
  /** First entry of the table with these bytes; -1 as long as there is none. */
  index: number;
}

/** A function the edits mention: places of wanted strings. */
interface Entry {
  readonly name: number;
  readonly systemName: number;
  readonly filename: number;
  readonly startLine: number;
}

type Rest = Pick<ProfileEdits, 'comments' | 'docUrl' | 'exactStartLines'>;

export class NewFunctions {
  /** String indexes of the new comments. */
  readonly comments: readonly number[];
  /** String index of the new documentation URL; 0 for none. */
  readonly docUrl: number;
  /** Bytes that `write` writes. */
  readonly size: number;
  /** Lines of all edited locations. */
  lines = 0;
  readonly #profile: Profile;
  /** Whether a record without start line is another function than the one with it. */
  readonly #exact: boolean;
  readonly #pool: FunctionPool;
  /** By number in the pool: 1 + position in #used; 0 for those the edits do not mention. */
  readonly #places: Int32Array;
  readonly #used: number[] = [];
  readonly #ids: (number | bigint)[] = [];
  /** Strings the edits need, and where they are there: by number in the pool, 1 + position. */
  readonly #wanted: Wanted[] = [];
  readonly #wantedPlaces: Int32Array;
  /** Those of comments and the URL, which differ from profile to profile. */
  readonly #others = new StringPool();
  readonly #otherPlaces = new Map<number, number>();
  readonly #records: Record[] = [];
  /** Strings to append. */
  readonly #strings: Wanted[] = [];
  /** By length in bytes up to SHORT: 1 where a wanted string is so long. */
  readonly #lengths = new Uint8Array(SHORT + 1);

  /** `lines`: those of the locations `edited`. Throws nothing of its own. */
  constructor(
    profile: Profile,
    lines: NewLines,
    edited: readonly number[],
    { comments, docUrl = '', exactStartLines = false }: Rest,
  ) {
    this.#profile = profile;
    this.#exact = exactStartLines;
    this.#pool = lines.table.functions;
    this.#places = new Int32Array(this.#pool.count);
    this.#wantedPlaces = new Int32Array(this.#pool.strings.count);
    for (const location of edited) this.#use(lines, location);
    const wantedComments = comments.map((text) => this.#wantText(text));
    const wantedUrl = docUrl === '' ? -1 : this.#wantText(docUrl);
    if (this.#wanted.length > 0) {
      const numbers = this.#findStrings();
      const candidates = this.#findFunctions(numbers);
      this.#assign(numbers, candidates);
    }
    this.comments = wantedComments.map((place) => this.#index(place));
    this.docUrl = wantedUrl < 0 ? 0 : this.#index(wantedUrl);
    this.size = this.#measure();
  }

  /** The id of a function in the pool. */
  id(number: number): number | bigint {
    return this.#ids[this.#places[number] - 1];
  }

  #use(lines: NewLines, location: number): void {
    const { table } = lines;
    const list = lines.list(location);
    const depth = table.depth(list);
    this.lines += depth;
    for (let i = 0; i < depth; i++) {
      const f = table.function(list, i);
      if (this.#places[f] !== 0) continue;
      this.#places[f] = this.#used.push(f);
      this.#want(this.#pool.name(f));
      this.#want(this.#pool.systemName(f));
      this.#want(this.#pool.filename(f));
    }
  }

  /** Wants a string of the pool. */
  #want(number: number): number {
    if (this.#wantedPlaces[number] === 0) this.#wantedPlaces[number] = this.#add(this.#pool.strings, number) + 1;
    return this.#wantedPlaces[number] - 1;
  }

  /** Wants a string that is no function's. */
  #wantText(text: string): number {
    const known = this.#pool.strings.known(text);
    if (known !== undefined) return this.#want(known);
    const number = this.#others.number(text);
    const place = this.#otherPlaces.get(number) ?? this.#add(this.#others, number);
    this.#otherPlaces.set(number, place);
    return place;
  }

  /** Gives its place in #wanted. */
  #add(pool: StringPool, number: number): number {
    this.#lengths[Math.min(pool.byteLength(number), SHORT)] = 1;
    return this.#wanted.push({ pool, number, index: -1 }) - 1;
  }

  /** For each string of the table the place of the wanted one it equals, or -1. */
  #findStrings(): Int32Array {
    const { strings, raw } = this.#profile;
    const places = new Int32Array(strings.count).fill(-1);
    for (let i = 0; i < strings.count; i++) {
      const start = strings.start(i);
      const end = strings.end(i);
      if (this.#lengths[Math.min(end - start, SHORT)] === 0) continue;
      const place = this.#placeOf(raw, start, end);
      if (place < 0) continue;
      places[i] = place;
      const wanted = this.#wanted[place];
      if (wanted.index < 0) wanted.index = i;
    }
    return places;
  }

  #placeOf(raw: Uint8Array, start: number, end: number): number {
    const number = this.#pool.strings.find(raw, start, end);
    if (number >= 0 && this.#wantedPlaces[number] !== 0) return this.#wantedPlaces[number] - 1;
    if (this.#otherPlaces.size === 0) return -1;
    return this.#otherPlaces.get(this.#others.find(raw, start, end)) ?? -1;
  }

  /** Chains of the profile's functions by wanted name: `first[place]`, then `next[index]`, -1 at the end. */
  #findFunctions(places: Int32Array): { first: Int32Array; next: Int32Array } {
    const { functions } = this.#profile;
    const first = new Int32Array(this.#wanted.length).fill(-1);
    const next = new Int32Array(functions.count).fill(-1);
    for (let i = functions.count - 1; i >= 0; i--) {
      const place = places[functions.name(i)];
      if (place < 0) continue;
      // A record whose id is 0 or taken again later cannot be referred to.
      const low = functions.ids.low(i);
      const high = functions.ids.high(i);
      if ((low === 0 && high === 0) || functions.byId.find(low, high) !== i) continue;
      next[i] = first[place];
      first[place] = i;
    }
    return { first, next };
  }

  #assign(places: Int32Array, candidates: { first: Int32Array; next: Int32Array }): void {
    const { functions } = this.#profile;
    const nextId = freeIds(functions);
    for (const f of this.#used) {
      const entry = this.#entry(f);
      const existing = this.#match(entry, places, candidates);
      if (existing >= 0) {
        this.#ids.push(compact(functions.id(existing)));
        continue;
      }
      const id = compact(nextId());
      this.#ids.push(id);
      this.#records.push({
        id,
        name: this.#index(entry.name),
        systemName: this.#index(entry.systemName),
        filename: this.#index(entry.filename),
        startLine: entry.startLine,
      });
    }
  }

  #entry(f: number): Entry {
    const pool = this.#pool;
    return {
      name: this.#want(pool.name(f)),
      systemName: this.#want(pool.systemName(f)),
      filename: this.#want(pool.filename(f)),
      startLine: pool.startLine(f),
    };
  }

  /** The best record of the profile for `entry`: of equal start line, else one where either does not know it; -1 for none. */
  #match(entry: Entry, places: Int32Array, { first, next }: { first: Int32Array; next: Int32Array }): number {
    const { functions, strings } = this.#profile;
    const { startLine } = entry;
    const noSystemName = this.#length(entry.systemName) === 0;
    let fallback = -1;
    let compared = 0;
    for (let i = first[entry.name]; i >= 0 && compared < MAX_CANDIDATES; i = next[i], compared++) {
      if (places[functions.filename(i)] !== entry.filename) continue;
      const other = functions.systemName(i);
      const sameSystemName = places[other] === entry.systemName || strings.byteLength(other) === 0 || noSystemName;
      if (!sameSystemName) continue;
      const otherLine = functions.startLine(i);
      if (otherLine === startLine) return i;
      if (fallback < 0 && (startLine === 0 || (otherLine === 0 && !this.#exact))) fallback = i;
    }
    return fallback;
  }

  /** Bytes of a wanted string. */
  #length(place: number): number {
    const { pool, number } = this.#wanted[place];
    return pool.byteLength(number);
  }

  /** String index of a wanted string; appends it to the table when it is not there. */
  #index(place: number): number {
    const wanted = this.#wanted[place];
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
    for (const { pool, number } of this.#strings) {
      const length = pool.byteLength(number);
      size += 1 + varintSize(length) + length;
    }
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
    for (const { pool, number } of this.#strings) {
      const bytes = pool.bytes(number);
      writer.byte((PROFILE.string_table << 3) | LENGTH);
      writer.varint(bytes.length);
      writer.copy(bytes, 0, bytes.length);
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
