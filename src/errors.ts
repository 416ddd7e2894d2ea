/**
 * The errors resym makes. `code` is stable and meant for programs, `message` is a sentence for people,
 * `cause` is for debugging.
 */

/** Bytes that are not what they claim to be. Thrown by parsers, caught at one boundary (symbolize/open.ts, pipeline.ts). */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  readonly code = 'format';
  /** Where the bytes sit: a section, segment or message name. */
  readonly section: string;
  /** Offset of the failed read within `section`, in bytes. */
  readonly offset: number;

  constructor(section: string, offset: number, problem: string, options?: { cause?: unknown }) {
    super(`${section}+0x${offset.toString(16)}: ${problem}`, options);
    this.section = section;
    this.offset = offset;
  }
}

/** Something recognised that resym cannot read (a future version, an obfuscated table). Says what was seen. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError';
  readonly code = 'unsupported';
}

/** A bound was reached: bytes, entries, depth. Says which limit, its value and its unit. */
export class LimitError extends Error {
  override readonly name = 'LimitError';
  readonly code = 'limit';
}

/** The target or a store did not answer as it should. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: 'upstream-refused' | 'upstream-timeout' | 'upstream-broken' | 'upstream-too-large';

  constructor(code: UpstreamError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The sentence of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for the errors a parser may throw on hostile bytes; anything else is a bug in resym and must surface. */
export function isParseError(error: unknown): error is FormatError | UnsupportedError | LimitError {
  return error instanceof FormatError || error instanceof UnsupportedError || error instanceof LimitError;
}

/** True for what the operating system refuses: no such file, no permission, disk error. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
