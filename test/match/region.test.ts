import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileOf, isNamedLike, regionOf, whatToAdd, whyNotSearched, type Region } from '../../src/match/region.ts';

/** Names as Linux, perf, gperftools, Android and eBPF profilers write them. */
const NAMES: readonly (readonly [string, Region])[] = [
  ['/usr/bin/app', 'file'],
  ['/usr/lib/x86_64-linux-gnu/libc.so.6', 'file'],
  ['/opt/app/lib.so (deleted)', 'file'],
  ['app', 'file'],
  ['C:\\app\\app.exe', 'file'],
  ['', 'file'],
  ['/opt/[odd]/name', 'file'],
  ['/opt/vdso/app', 'file'],
  ['/home/me/vmlinux-tools/app', 'file'],
  ['/devices/app', 'file'],
  ['/opt/mykernel', 'file'],
  ['[vdso]', 'vdso'],
  ['[vdso32]', 'vdso'],
  ['linux-vdso.so.1', 'vdso'],
  ['linux-vdso64.so.1', 'vdso'],
  ['linux-gate.so.1', 'vdso'],
  ['[vsyscall]', 'vsyscall'],
  ['[uprobes]', 'vsyscall'],
  ['[vectors]', 'vsyscall'],
  ['[sigpage]', 'vsyscall'],
  ['[vvar]', 'vsyscall'],
  ['[vvar_vclock]', 'vsyscall'],
  ['[kernel.kallsyms]', 'kernel'],
  ['[kernel.kallsyms]_text', 'kernel'],
  ['[kernel.kallsyms]_stext', 'kernel'],
  ['[guest.kernel.kallsyms]', 'kernel'],
  ['[guest.kernel.kallsyms.4711]_text', 'kernel'],
  ['[kernel]', 'kernel'],
  ['[k]', 'kernel'],
  ['[kernel.vmlinux]', 'kernel'],
  ['[kernel.vmlinux].init.text', 'kernel'],
  ['vmlinux', 'kernel'],
  ['/boot/vmlinux-6.1.0-27-amd64', 'kernel'],
  ['/usr/lib/debug/lib/modules/6.1.0/vmlinux', 'kernel'],
  ['/boot/vmlinuz-6.1.0-27-amd64', 'kernel'],
  ['[nf_conntrack]', 'module'],
  ['/lib/modules/6.1.0/kernel/net/nf_conntrack.ko', 'module'],
  ['/lib/modules/6.1.0/kernel/net/nf-conntrack.ko.xz', 'module'],
  ['/lib/modules/6.1.0/kernel/fs/xfs.ko.zst', 'module'],
  ['/memfd:jit', 'memfd'],
  ['/memfd:host (deleted)', 'memfd'],
  ['memfd:host', 'memfd'],
  ['/dev/shm/segment', 'memfd'],
  ['/SYSV0000162e (deleted)', 'memfd'],
  ['//anon', 'anonymous'],
  ['[anon]', 'anonymous'],
  ['[anon:v8]', 'anonymous'],
  ['[anon:dalvik-jit-code-cache]', 'anonymous'],
  ['[anon_shmem:jit]', 'anonymous'],
  ['anon_inode:[perf_event]', 'anonymous'],
  ['/anon_hugepage (deleted)', 'anonymous'],
  ['/dev/zero (deleted)', 'anonymous'],
  ['[heap]', 'anonymous'],
  ['[stack]', 'anonymous'],
  ['[stack:4711]', 'anonymous'],
  ['[bpf]', 'anonymous'],
  ['bpf_prog_6deef7357e7b4530_sd_fw_egress', 'anonymous'],
  ['[unknown]', 'file'],
  ['/tmp/perf-4711.map', 'anonymous'],
  ['/dev/dri/card0', 'device'],
  ['/dev/nvidia0', 'device'],
];

describe('what the name of a mapping says', () => {
  for (const [name, region] of NAMES) {
    it(`${name || '(no name)'}: ${region}`, () => {
      assert.equal(regionOf(name), region);
      const { reason, advice } = whyNotSearched(name);
      assert.ok(reason.startsWith(name === '' ? 'this mapping' : name), reason);
      assert.doesNotMatch(reason + advice, /undefined/);
      assert.match(whatToAdd(name), /^add /);
    });
  }
});

describe('the file of a mapping', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['/usr/lib/libx.so.1', '/mnt/build/libx.so.1', true],
    ['/usr/lib/libx.so.1', '/mnt/build/libx.so.2', false],
    ['/usr/lib/libx.so.1 (deleted)', 'libx.so.1', true],
    ['C:\\app\\app.exe', '/mnt/app.exe', true],
    ['/memfd:host (deleted)', '/bin/host', true],
    ['/memfd:host (deleted)', '/bin/guest', false],
    ['[vdso]', '/mnt/vdso64.so', true],
    ['linux-gate.so.1', '/mnt/linux-gate.so', true],
    ['[vdso]', '/bin/app', false],
    ['[kernel.kallsyms]_text', '/boot/vmlinux-6.1.0', true],
    ['[kernel.kallsyms]_text', '/bin/app', false],
    ['[nf_conntrack]', '/mnt/nf-conntrack.ko.debug', true],
    ['/lib/modules/6.1/nf-conntrack.ko.xz', '/mnt/nf_conntrack.ko', true],
    ['[nf_conntrack]', '/mnt/nf_nat.ko', false],
    ['[heap]', '/mnt/[heap]', false],
    ['[vsyscall]', '/mnt/[vsyscall]', false],
    ['/dev/dri/card0', '/mnt/card0', false],
    ['', '/mnt/app', false],
    ['', '', false],
  ];
  for (const [name, path, isAlike] of rows) {
    it(`${name || '(no name)'} ${isAlike ? 'may be' : 'is not'} ${path || '(no path)'}`, () => {
      assert.equal(isNamedLike(name, path), isAlike);
    });
  }

  it('is told without what the kernel says of it', () => {
    assert.equal(fileOf('/opt/app (deleted)'), '/opt/app');
    assert.equal(fileOf('/opt/app (deleted) copy'), '/opt/app (deleted) copy');
  });
});
