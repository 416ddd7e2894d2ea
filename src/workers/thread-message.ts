/**
 * What goes between the server's thread and one that runs an engine.
 *
 *     resymbolize ──► result │ error          a profile there, its answer back; bodies are moved, not copied
 *     names       ──► names │ error           names out of a layout that a result left in the thread
 *     cancel      ──►                         the answer to a job is not wanted any more; it comes nevertheless
 *     forget      ──►                         a layout is not asked for any more
 */
import type { ResymOptions, ResymResult } from '../pipeline.ts';
import type { MappedRange } from '../symbolize/rebase.ts';
import type { ThreadError } from './thread-error.ts';

/** What a thread is started with. */
export interface EngineThreadData {
  readonly kind: 'engine';
  /** null: no archive. */
  readonly archives: readonly string[];
}

/** ResymOptions as data. */
export interface JobOptions extends Omit<ResymOptions, 'deadline' | 'signal'> {
  /** On `threadClock`; null for none. */
  readonly deadline: number | null;
}

export type ToThread =
  | { readonly kind: 'resymbolize'; readonly id: number; readonly body: Uint8Array; readonly options: JobOptions }
  | {
      readonly kind: 'names';
      readonly id: number;
      readonly layout: number;
      /** Of the layout's mappings, in order. */
      readonly mappings: readonly number[];
      readonly addresses: readonly bigint[];
      readonly options: JobOptions;
    }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'forget'; readonly layout: number };

/** A mapping as data; the way to its binary stays in the thread. */
export interface PlainMapping {
  readonly range: MappedRange;
  readonly isResolved: boolean;
}

export interface PlainResult extends Omit<ResymResult, 'body' | 'mappings'> {
  /** null: the very bytes that came in. */
  readonly body: Uint8Array | null;
  /** Under the job's own id, until `forget`; kept only when one of them is resolved. */
  readonly mappings: readonly PlainMapping[];
}

export type FromThread =
  | { readonly kind: 'result'; readonly id: number; readonly result: PlainResult }
  | { readonly kind: 'names'; readonly id: number; readonly names: readonly (string | null)[] }
  | { readonly kind: 'error'; readonly id: number; readonly error: ThreadError };

/**
 * Milliseconds on the one clock that all threads share and nobody sets. performance.now() begins anew in every thread, and what
 * its timeOrigin says hangs on how the wall clock was set when the thread began.
 */
export function threadClock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A time of this thread's performance.now() for another thread. */
export function toThreadClock(time: number | undefined): number | null {
  return time === undefined || time === Infinity ? null : threadClock() + (time - performance.now());
}

/** And back. */
export function fromThreadClock(time: number | null): number | undefined {
  return time === null ? undefined : performance.now() + (time - threadClock());
}
