/** Profiles of formats google/pprof does not read, and the same in one that it does. */

const MAPS = `00400000-00401000 r--p 00000000 08:01 11 /usr/bin/shop
00401000-00452000 r-xp 00001000 08:01 11 /usr/bin/shop
7f0000028000-7f00001bd000 r-xp 00028000 08:01 12 /usr/lib/libc.so.6
7ffd4b9c5000-7ffd4b9c7000 r-xp 00000000 00:00 0 [vdso]
`;

/** As jemalloc 5 writes it, with opt.prof_accum. */
export const JEMALLOC = `heap_v2/524288
  t*: 13: 6688 [40: 81920]
  t0: 13: 6688 [40: 81920]
@ 0x401134 0x401233 0x7f000002a24a
  t*: 12: 6496 [30: 61440]
  t0: 12: 6496 [30: 61440]
@ 0x40129f 0x401233 0x7f000002a24a
  t*: 1: 192 [10: 20480]
  t0: 1: 192 [10: 20480]

MAPPED_LIBRARIES:
${MAPS}`;

export const JEMALLOC_AS_TCMALLOC = `heap profile: 13: 6688 [40: 81920] @ heap_v2/524288
12: 6496 [30: 61440] @ 0x401134 0x401233 0x7f000002a24a
1: 192 [10: 20480] @ 0x40129f 0x401233 0x7f000002a24a

MAPPED_LIBRARIES:
${MAPS}`;

/** As brpc writes it. */
export const BRPC = `--- contention
cycles/second=1000000000
2041233 17 @ 0x401134 0x401233 0x7f000002a24a
511 1 @ 0x40129f 0x401233
${MAPS}`;

export const BRPC_AS_CONTENTION = BRPC.replace('--- contention\n', '--- contention:\n').replace(
  MAPS,
  `--- Memory map: ---\n${MAPS}`,
);
