/** A real S3 server for the tests: Versity's gateway over a directory, built from its sources the first time. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cached } from './build.ts';
import { needsGo, type Toolchain, toolchain } from './toolchains.ts';

const VERSION = 'v1.8.0';
const GO = '1.26';
const BUCKET = 'archive';
const START_MS = 20_000;

/** `skip` of a test that needs the server. */
export const needsS3 = needsGo(GO);

/** Path of the server; downloaded and built the first time. */
function serverPath(go: Toolchain): Promise<string> {
  const key = createHash('sha256').update(`versitygw ${VERSION} ${go.version}`).digest('hex');
  return cached(key, 'versitygw', async (path) => {
    const bin = join(dirname(path), 'bin');
    mkdirSync(bin);
    const env = { ...go.env, GOBIN: bin, GOFLAGS: '-mod=mod' };
    await promisify(execFile)(go.go, ['install', `github.com/versity/versitygw/cmd/versitygw@${VERSION}`], { env });
    renameSync(join(bin, 'versitygw'), path);
  });
}

export class S3Server {
  readonly url: string;
  /** Where the bucket's objects lie, as files. */
  readonly directory: string;
  /** What a process must have in its environment to use it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #path: string;
  readonly #port: number;
  #child: ChildProcess | null = null;

  private constructor(path: string, port: number, root: string) {
    this.#path = path;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.directory = join(root, BUCKET);
    this.env = {
      AWS_ENDPOINT_URL: this.url,
      AWS_ACCESS_KEY_ID: 'tester',
      AWS_SECRET_ACCESS_KEY: 'testers-secret',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      XDG_CACHE_HOME: join(root, 'cache'),
    };
  }

  /** One with an empty bucket, gone with this process. */
  static async start(): Promise<S3Server> {
    const path = await serverPath(toolchain(GO)!);
    const root = mkdtempSync(join(tmpdir(), 'resym-s3-'));
    const server = new S3Server(path, await freePort(), root);
    mkdirSync(server.directory);
    await server.run();
    process.on('exit', () => {
      server.#child?.kill('SIGKILL');
      rmSync(root, { recursive: true, force: true });
    });
    return server;
  }

  /** A place in the bucket that nobody else has. */
  place(prefix: string): string {
    return `s3://${BUCKET}/${prefix}`;
  }

  /** Starts it, or again after `kill`. */
  async run(): Promise<void> {
    const args = ['--port', `127.0.0.1:${this.#port}`, '--keep-alive', '--quiet', 'posix', dirname(this.directory)];
    const credentials = { ROOT_ACCESS_KEY: 'tester', ROOT_SECRET_KEY: 'testers-secret' };
    this.#child = spawn(this.#path, args, { env: { ...process.env, ...credentials }, stdio: 'ignore' });
    this.#child.unref(); // it ends with this process
    const until = Date.now() + START_MS;
    while (!(await answers(this.url))) {
      if (Date.now() > until) throw new Error(`${this.#path} does not answer`);
      await sleep(50);
    }
  }

  /** As a machine dies. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    child.ref();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** It keeps its connections and says nothing any more. */
  stop(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
