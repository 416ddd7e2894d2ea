/** The rules of gc as people write them: `90d`, `200GB`. */
import type { GcRules } from './gc.ts';

const MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3600_000, d: 86_400_000, w: 7 * 86_400_000 };

const BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** `90d`, `12h`, `2w` in ms; null for anything else, and for none at all. */
export function parseAge(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text.trim());
  const ms = match === null ? 0 : Number(match[1]) * MS[match[2]];
  return ms > 0 && Number.isFinite(ms) ? ms : null;
}

/** `200GB`, `1.5TiB`, `5000000` in bytes, `200G` as du has it; null for anything else. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = BYTES[match?.[2].toLowerCase() ?? '?'];
  const bytes = match === null || unit === undefined ? NaN : Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Larger numbers of builds are a mistake. */
export const MAX_KEEP = 1_000_000;

export const NO_RULES: GcRules = { maxAgeMs: null, keep: null, quotaBytes: null };
