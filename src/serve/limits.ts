/** The bounds of the server, each with its default and the reason. */
export interface Limits {
  /** After the last byte from the target, until the best answer so far is given, ms. */
  readonly budgetMs: number;
  /** The same for a profile that someone uploads and waits for, ms. */
  readonly uploadBudgetMs: number;
  /** Largest profile taken in, bytes as sent. Larger ones from a target are passed on as they come. */
  readonly maxProfileBytes: number;
  /** Bytes a compressed profile may inflate to, where the server itself looks. */
  readonly maxRawBytes: number;
  /** Largest list of addresses, bytes. */
  readonly maxSymbolBytes: number;
  /** Largest binary taken in, bytes, unpacked. */
  readonly maxBinaryBytes: number;
  /** How long somebody who uploads a binary may be silent, and how long it may take in all, ms. */
  readonly uploadStallMs: number;
  readonly uploadTotalMs: number;
  /** How long a target may be silent beyond the seconds asked for, ms. */
  readonly patienceMs: number;
  /** How long a profile may take from its first byte to its last, ms. */
  readonly transferMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  budgetMs: 2000, // Parca waits 3 s beyond the profile's own seconds, Alloy 10
  uploadBudgetMs: 30_000, // nobody's profile is aging meanwhile; curl and browsers wait
  maxProfileBytes: 64 * 1024 * 1024, // a million locations are some 20 MiB
  maxRawBytes: 256 * 1024 * 1024, // as in profile/gzip.ts
  maxSymbolBytes: 1024 * 1024, // 50,000 addresses, as many as a large profile has
  maxBinaryBytes: 4 * 1024 ** 3, // the largest there are: browsers with all their debug info
  uploadStallMs: 30_000, // a line that is down that long is lost
  uploadTotalMs: 3600_000, // 4 GiB at 1.2 MB/s
  patienceMs: 60_000, // pprof waits 65 s for what has no seconds
  transferMs: 60_000, // 64 MiB at 1 MB/s
};
