/**
 * google/pprof's own reader as an oracle: one Go process that answers for as many profiles as it is given.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { buildGo } from './build.ts';
import { machineGo, toolchain, type Toolchain } from './toolchains.ts';

const DIR = fileURLToPath(new URL('./pprof-oracle', import.meta.url));

/** What google/pprof's go.mod asks for; see pprof-oracle/go.mod. */
const OLDEST = { major: 1, minor: 23 };

/** A Go that can build the oracle, or null. */
function goForPprof(): Toolchain | null {
  for (const version of ['1.26', '1.25', '1.24', '1.23']) {
    const found = toolchain(version);
    if (found !== null) return found;
  }
  const found = machineGo();
  if (found === null) return null;
  const { stdout } = spawnSync(found.go, ['env', 'GOVERSION'], { env: found.env, encoding: 'utf8' });
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(stdout) ?? ['', '0', '0'];
  return Number(major) > OLDEST.major || Number(minor) >= OLDEST.minor ? found : null;
}

/** `skip` of a test that needs the oracle. */
export const needsPprof: string | false = goForPprof() === null ? 'needs go 1.23' : false;

export class PprofOracle {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: { resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];
  #pending: Buffer = Buffer.alloc(0);

  private constructor(path: string) {
    this.#process = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdout.on('data', (chunk: Buffer) => this.#receive(chunk));
    const fail = (why: string) => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`pproforacle ${why}`));
    };
    this.#process.on('error', (error) => fail(error.message));
    this.#process.on('exit', (code) => fail(`exited with ${code}`));
  }

  /** Builds the oracle if need be (downloads one Go module the first time) and starts it. */
  static async start(): Promise<PprofOracle> {
    const found = goForPprof();
    assert.ok(found !== null, 'needs go 1.23');
    return new PprofOracle(await buildGo({ toolchain: found, dir: DIR, mode: 'exe' }));
  }

  #receive(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 4) {
      const end = 4 + this.#pending.readUInt32LE(0);
      if (this.#pending.length < end) return;
      this.#waiting.shift()?.resolve(this.#pending.toString('utf8', 4, end));
      this.#pending = this.#pending.subarray(end);
    }
  }

  #ask(what: 'c' | 't' | 'l', profile: Uint8Array): Promise<string> {
    const head = Buffer.alloc(5);
    head.write(what, 0, 'latin1');
    head.writeUInt32LE(profile.length, 1);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#process.stdin.write(head);
      this.#process.stdin.write(profile);
    });
  }

  /** Why google/pprof refuses the profile (gzipped or not), or null when it takes it. */
  async refusal(profile: Uint8Array): Promise<string | null> {
    const answer = await this.#ask('c', profile);
    return answer === 'ok' ? null : answer;
  }

  /** The whole profile as google/pprof understands it, one record a line. Rejects when it does not take it. */
  async text(profile: Uint8Array): Promise<string> {
    const answer = await this.#ask('t', profile);
    assert.ok(answer.startsWith('ok\n'), answer);
    return answer.slice(3);
  }

  /** A profile in any format as the protobuf google/pprof writes for it, not compressed; or its "refused: …". */
  async converted(profile: Uint8Array): Promise<Uint8Array | string> {
    const answer = await this.#ask('l', profile);
    return answer.startsWith('ok\n') ? new Uint8Array(Buffer.from(answer.slice(3), 'base64')) : answer;
  }

  /** Ends the process. */
  stop(): void {
    this.#process.stdin.end();
  }
}
