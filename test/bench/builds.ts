/** Further builds of a program, as far as anybody can tell who goes by build IDs: the same file with another one in it. */
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openObject } from '../../src/object/open.ts';
import { FileSource } from '../../src/store/file.ts';
import { uncompressed } from '../support/erase.ts';
import { numberField } from '../support/profile-model.ts';
import { withBuildId } from '../support/with-build-id.ts';

/** Field of a Profile. */
const DURATION_NANOS = 10;
const NOTE = '.note.gnu.build-id';
/** namesz, descsz, type, "GNU\0" */
const NOTE_HEAD = 16;

/** A copy in `dir` with a GNU build ID of its own. */
export function otherBuild(binary: string, dir: string, number: number): { path: string; buildId: string } {
  const source = FileSource.open(binary);
  const section = openObject(source).section(NOTE);
  source.close();
  if (section === undefined) throw new Error(`${binary} has no ${NOTE}`);
  const id = createHash('sha1')
    .update(`build ${number}`)
    .digest()
    .subarray(0, section.size - NOTE_HEAD);
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `build-${String(number).padStart(2, '0')}`);
  copyFileSync(binary, path);
  const file = openSync(path, 'r+');
  try {
    const owner = Buffer.alloc(4);
    readSync(file, owner, 0, 4, section.fileOffset + 12);
    if (owner.toString('latin1') !== 'GNU\0') throw new Error(`${NOTE} of ${binary} is not as expected`);
    writeSync(file, id, 0, id.length, section.fileOffset + NOTE_HEAD);
  } finally {
    closeSync(file);
  }
  return { path, buildId: id.toString('hex') };
}

/** The profile as of that build, gzipped. @param duration nanoseconds: tells it from others of that build */
export function profileOf(profile: string, buildId: string, duration = 0): Buffer {
  const raw = withBuildId(uncompressed(readFileSync(profile)), 0, buildId);
  return gzipSync(duration === 0 ? raw : Buffer.concat([raw, numberField(DURATION_NANOS, duration)]), { level: 1 });
}
