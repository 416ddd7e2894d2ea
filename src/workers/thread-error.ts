/** Errors on their way between threads: structured clone would make plain Errors of them, without class, section and code. */
import { FormatError, LimitError, UnsupportedError } from '../errors.ts';

/** An error as data. */
export interface ThreadError {
  readonly kind: 'format' | 'unsupported' | 'limit' | 'other';
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Of a FormatError. */
  readonly section: string;
  readonly offset: number;
  /** What programs tell other errors by. */
  readonly details: Readonly<Partial<Record<Detail, string | number>>>;
  readonly cause: ThreadError | null;
}

/** As the system's errors have them, and the store's. */
const DETAILS = ['code', 'errno', 'syscall', 'path', 'dest'] as const;
type Detail = (typeof DETAILS)[number];

/** Causes told of one error; a chain may be a ring. */
const MAX_CAUSES = 4;

export function packError(error: unknown, causes = MAX_CAUSES): ThreadError {
  const { name, message, stack = '', cause } = error instanceof Error ? error : new Error(String(error));
  const given = error as Partial<Record<Detail, unknown>> | null | undefined;
  const details = DETAILS.flatMap((detail) => {
    const value = given?.[detail];
    return typeof value === 'string' || typeof value === 'number' ? [[detail, value] as const] : [];
  });
  return {
    kind: kindOf(error),
    name,
    message,
    stack,
    section: error instanceof FormatError ? error.section : '',
    offset: error instanceof FormatError ? error.offset : 0,
    details: Object.fromEntries(details),
    cause: cause === undefined || causes === 0 ? null : packError(cause, causes - 1),
  };
}

/** The same class again, where it is one of resym's that parsers throw; an Error that looks alike for others. */
export function unpackError(packed: ThreadError): Error {
  const { kind, name, message, stack, section, offset, details } = packed;
  const options = packed.cause === null ? undefined : { cause: unpackError(packed.cause) };
  const error = make(kind, section, offset, options);
  const hidden = { writable: true, configurable: true, enumerable: false };
  Object.defineProperty(error, 'message', { ...hidden, value: message });
  Object.defineProperty(error, 'stack', { ...hidden, value: stack });
  if (kind !== 'other') return error;
  Object.defineProperty(error, 'name', { ...hidden, value: name });
  return Object.assign(error, details);
}

function make(kind: ThreadError['kind'], section: string, offset: number, options?: ErrorOptions): Error {
  if (kind === 'format') return new FormatError(section, offset, '', options);
  if (kind === 'limit') return new LimitError('', options);
  return kind === 'unsupported' ? new UnsupportedError('', options) : new Error('', options);
}

function kindOf(error: unknown): ThreadError['kind'] {
  if (error instanceof FormatError) return 'format';
  if (error instanceof LimitError) return 'limit';
  return error instanceof UnsupportedError ? 'unsupported' : 'other';
}
