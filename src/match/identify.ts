import { splitUnitsSha256 } from '../dwarf/split-hash.ts';
import { unitHeaders } from '../dwarf/unit-headers.ts';
import { isParseError, messageOf } from '../errors.ts';
import { readBuildInfo } from '../gosym/build-info.ts';
import { derivedGnuBuildId, readGoBuildId } from '../gosym/build-id.ts';
import { GoSymbols } from '../gosym/pclntab.ts';
import { pclntabSha256 } from '../gosym/table-hash.ts';
import type { ObjectFile } from '../object/object.ts';
import type { GoBuild, Identity } from './identity.ts';
import { makeSketch } from './sketch.ts';

/** Reads a binary's identity. Never throws on damage in one part: the other parts still count, the damage is a problem. */
export function identify(object: ObjectFile): Identity {
  return recognise(object).identity;
}

/** The identity, and the sketch by which the binary is found without an ID. */
export function recognise(object: ObjectFile): { identity: Identity; sketch: Uint8Array | null } {
  const problems: string[] = [];
  const attempt = <T>(what: string, read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      if (!isParseError(error)) throw error;
      problems.push(`${what}: ${messageOf(error)}`);
      return null;
    }
  };
  const ids = attempt('build ID', () => object.ids);
  const go = attempt('Go build ID', () => readGoBuildId(object));
  const symbols = attempt('.gopclntab', () => GoSymbols.open(object));
  const identity: Identity = {
    format: object.format,
    arch: object.arch,
    type: object.type,
    ids: {
      gnu: ids?.gnu ?? null,
      go,
      goDerivedGnu: go === null ? null : derivedGnuBuildId(go),
      uuid: ids?.uuid ?? null,
      pe: ids?.pe ?? null,
      pclntabSha256: symbols && attempt('.gopclntab', () => pclntabSha256(symbols)),
    },
    splitUnits: attempt('split DWARF', () => splitUnitsSha256(object)),
    goText: symbols && hex(object, symbols.textStart),
    text: codeSection(object),
    go: attempt('Go build info', () => goBuild(object)),
    symbols: {
      pclntab: symbols && { version: symbols.version, functions: symbols.functionCount },
      dwarf: attempt('DWARF', () => dwarfSummary(object)),
      symtab: attempt('symbol table', () => functionCount(object)),
    },
    problems,
  };
  return { identity, sketch: attempt('functions', () => makeSketch(object, symbols)) };
}

function hex({ bias }: ObjectFile, address: number): string {
  return `0x${(bias + BigInt(address)).toString(16)}`;
}

function codeSection(object: ObjectFile): Identity['text'] {
  const section = object.section('.text') ?? object.section('__TEXT,__text');
  return section === undefined || section.size === 0
    ? null
    : { address: hex(object, section.address), size: section.size };
}

/** What the file says it was built from; null for what is no Go program, or does not say. */
export function goBuild(object: ObjectFile): GoBuild | null {
  const info = readBuildInfo(object);
  if (info === null) return null;
  const main = info.main && { path: info.main.path, version: info.main.version };
  return { version: info.version, path: info.path, main, settings: info.settings };
}

function dwarfSummary(object: ObjectFile): Identity['symbols']['dwarf'] {
  const units = [...unitHeaders(object), ...unitHeaders(object, 'info.dwo')];
  if (units.length === 0) return null;
  return { versions: [...new Set(units.map((unit) => unit.version))].sort(), units: units.length };
}

function functionCount(object: ObjectFile): { functions: number } | null {
  const { length } = object.functionSymbols();
  return length === 0 ? null : { functions: length };
}
