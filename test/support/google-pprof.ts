/** The pprof that `go install github.com/google/pprof` gives, as users run it: it reads DWARF, and asks binutils where they are. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from './build.ts';
import type { Toolchain } from './toolchains.ts';

/** The version of pprof-oracle/go.mod. */
const VERSION = 'v0.0.0-20250403155104-27863c87afa6';

/** Path of the client; downloaded and built the first time. @param go 1.23 or later */
export function googlePprofPath(go: Toolchain): Promise<string> {
  const key = createHash('sha256').update(`google/pprof ${VERSION} ${go.version}`).digest('hex');
  return cached(key, 'pprof', async (path) => {
    const bin = join(dirname(path), 'bin');
    mkdirSync(bin);
    const env = { ...go.env, GOBIN: bin, GOFLAGS: '-mod=mod' };
    await promisify(execFile)(go.go, ['install', `github.com/google/pprof@${VERSION}`], { env });
    renameSync(join(bin, 'pprof'), path);
  });
}
