import type { BinaryFiles } from '../../src/store/assembly.ts';
import type { OpenBinary } from '../../src/store/store.ts';

/** One file as a whole binary, with nothing of it elsewhere. */
export function alone(file: OpenBinary): BinaryFiles {
  return {
    files: [file],
    elsewhere: {
      debugFile: () => Promise.resolve(null),
      supplementary: () => Promise.resolve(null),
      splitPackage: () => Promise.resolve(null),
      symbolIndex: () => Promise.resolve(null),
      splitUnit: () => null,
    },
  };
}
