/**
 * What lies in a bucket, below the archive's prefix. Names are those of a directory store (store/layout.ts), so that one copied into a
 * bucket is an archive there:
 *
 *   .build-id/ab/cdef01.3f2a9c01b2d4e5f6.elf        a file, content and all
 *   .build-id/ab/cdef01.3f2a9c01b2d4e5f6.elf.json   its facts: written last, removed first; without them the file is not there
 *   .resym/index/, .resym/pins/, .resym/quarantine/ as in a directory
 *   .resym/used/abcdef01                            empty: written when the build is of use, at most once a day
 *   .resym/changed                                  another text after every change: who has seen it need not list
 *   .resym/catalog.json                             the facts of all files (store/snapshot.ts), for replicas that start anew
 *
 * Everything else is somebody else's, and left alone.
 */
import { OWN_DIR } from '../store/layout.ts';

export const CHANGED = `${OWN_DIR}/changed`;
export const USED_DIR = `${OWN_DIR}/used`;
