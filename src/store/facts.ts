/**
 * What is known of one stored file, kept as JSON beside it (files that were added) and in the snapshot (all files).
 *
 *   { "schema": 3, "name": "api", "addedAt": "2026-01-31T12:00:00.000Z", "sizeBytes": 1, "mtimeMs": 1.5,
 *     "sha256": "…", "debugOnly": false, "sketch": "…base64…",
 *     "identity": { … as match/identity.ts has it … } }
 *
 * `identity` and `debugOnly` hold for the file that has this size and modification time; name, time and hash are
 * those of the day it was added. A schema of another number is as good as no facts: the file itself is read again.
 */
import * as v from 'valibot';
import type { Identity } from '../match/identity.ts';
import { isSketch } from '../match/sketch.ts';

/** To be raised whenever `identify` would say something else about the same bytes. */
export const FACTS_SCHEMA = 3;

export interface Facts {
  readonly schema: typeof FACTS_SCHEMA;
  readonly name: string;
  readonly addedAt: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly sha256: string | null;
  readonly debugOnly: boolean;
  /** See match/sketch.ts; null for a file without one. */
  readonly sketch: Uint8Array | null;
  readonly identity: Identity;
}

const text = v.nullable(v.string());
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const identitySchema = v.object({
  format: v.picklist(['elf', 'macho', 'pe']),
  arch: v.string(),
  type: v.picklist(['exec', 'dyn', 'rel', 'core', 'dsym', 'other']),
  ids: v.object({ gnu: text, go: text, goDerivedGnu: text, uuid: text, pe: text, pclntabSha256: text }),
  splitUnits: text,
  goText: text,
  text: v.nullable(v.object({ address: v.string(), size: count })),
  go: v.nullable(
    v.object({
      version: v.string(),
      path: v.string(),
      main: v.nullable(v.object({ path: v.string(), version: v.string() })),
      settings: v.record(v.string(), v.string()),
    }),
  ),
  symbols: v.object({
    pclntab: v.nullable(v.object({ version: v.string(), functions: count })),
    dwarf: v.nullable(v.object({ versions: v.array(count), units: count })),
    symtab: v.nullable(v.object({ functions: count })),
  }),
  problems: v.array(v.string()),
});

const factsSchema = v.object({
  schema: v.literal(FACTS_SCHEMA),
  name: v.string(),
  addedAt: v.pipe(v.string(), v.isoTimestamp()),
  sizeBytes: count,
  mtimeMs: v.number(),
  sha256: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
  debugOnly: v.boolean(),
  sketch: v.nullable(
    v.pipe(
      v.string(),
      v.transform((base64): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))),
      v.check(isSketch),
    ),
  ),
  identity: identitySchema,
});

/** The facts in a JSON text; null when they are damaged or of another schema, which only means looking again. */
export function parseFacts(json: string): Facts | null {
  return checkFacts(parsed(json));
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

const otherSchema = v.object({
  schema: v.pipe(v.number(), v.notValue(FACTS_SCHEMA)),
  ...v.pick(factsSchema, ['name', 'addedAt', 'mtimeMs', 'sha256']).entries,
});

/** What another release of resym recorded, of what all releases mean the same by; null for what no release did. */
export function factsOfOtherSchema(json: string): Pick<Facts, 'name' | 'addedAt' | 'mtimeMs' | 'sha256'> | null {
  const result = v.safeParse(otherSchema, parsed(json), { abortEarly: true });
  return result.success ? result.output : null;
}

export function checkFacts(value: unknown): Facts | null {
  const result = v.safeParse(factsSchema, value, { abortEarly: true });
  return result.success ? result.output : null;
}

/** As they are kept in JSON. */
export function plainFacts(facts: Facts): Omit<Facts, 'sketch'> & { readonly sketch: string | null } {
  return { ...facts, sketch: facts.sketch && Buffer.from(facts.sketch).toString('base64') };
}

export function formatFacts(facts: Facts): string {
  return `${JSON.stringify(plainFacts(facts), null, 1)}\n`;
}

/** Larger is better to have: code with DWARF, DWARF alone, a symbol table, Go's pclntab alone; 0 names nothing. */
export function richness(identity: Identity, debugOnly: boolean): number {
  const { pclntab, dwarf, symtab } = identity.symbols;
  const extras = (pclntab ? 2 : 0) + (symtab ? 1 : 0);
  if (dwarf) return (debugOnly ? 30 : 40) + extras;
  if (symtab) return 20 + extras;
  return pclntab ? 10 : 0;
}

/** For files that cannot be read: nothing known. */
export const BLANK_IDENTITY: Identity = {
  format: 'elf',
  arch: '',
  type: 'other',
  ids: { gnu: null, go: null, goDerivedGnu: null, uuid: null, pe: null, pclntabSha256: null },
  splitUnits: null,
  goText: null,
  text: null,
  go: null,
  symbols: { pclntab: null, dwarf: null, symtab: null },
  problems: [],
};
