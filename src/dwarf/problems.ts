import { isParseError, messageOf } from '../errors.ts';

/** Damage can show at every address differently; nobody reads more than a few sentences. */
const MAX_PROBLEMS = 16;

/** What could not be read: bounded, each sentence once. */
export class Problems {
  readonly list: string[] = [];

  add(sentence: string): void {
    if (this.list.length < MAX_PROBLEMS && !this.list.includes(sentence)) this.list.push(sentence);
  }

  /** Records what a parser threw on damaged bytes; anything else is a bug and is thrown on. */
  caught(error: unknown, what = ''): void {
    if (!isParseError(error)) throw error;
    this.add(what === '' ? messageOf(error) : `${what}: ${messageOf(error)}`);
  }
}
