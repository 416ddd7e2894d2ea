/** A configuration file: YAML whose values know their lines. A file of its own, so that the parser is loaded only where there is such a file. */
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './flags.ts';

export class ConfigFile {
  /** As written; an empty file is an empty object. */
  readonly value: unknown;
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document: ReturnType<typeof parseDocument>;

  /** Throws ConfigError with the line that is no YAML. */
  constructor(path: string) {
    this.#path = path;
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      throw new ConfigError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
    }
    this.#document = parseDocument(text, { lineCounter: this.#lines });
    const syntax = this.#document.errors[0];
    if (syntax) throw new ConfigError(`${path}:${this.#lineOf(syntax.pos[0])}: ${syntax.message.split('\n')[0]}`);
    this.value = this.#document.toJS() ?? {};
  }

  /** What is wrong with the value at `keys`. */
  problem(keys: readonly string[], message: string): ConfigError {
    const node = this.#document.getIn(keys, true) as { range?: [number, number, number] } | undefined;
    const at = node?.range ? `:${this.#lineOf(node.range[0])}` : '';
    return new ConfigError(`${this.#path}${at}: ${keys.join('.') || 'the file'}: ${message}`);
  }

  #lineOf(offset: number): number {
    return this.#lines.linePos(offset).line;
  }
}
