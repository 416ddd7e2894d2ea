/**
 * What a mapping's file name says it is. Linux gives names also to memory that comes from no file:
 *
 *   [vdso], linux-vdso.so.1, linux-gate.so.1                            the kernel's library in every process
 *   [vsyscall], [uprobes], [vvar]; [vectors], [sigpage] on arm          likewise, without symbols
 *   [kernel.kallsyms], [guest.kernel.kallsyms.123]_text, [kernel], [k]   the kernel itself, as perf names it
 *   [nf_conntrack], /lib/modules/6.1.0/.../nf_conntrack.ko               a kernel module
 *   /memfd:name (deleted), /dev/shm/name                                 files that live in memory
 *   //anon, [anon], [anon:v8], anon_inode:[perf_event], /dev/zero        no file at all: code written at run time
 *   [bpf], bpf_prog_0123456789abcdef_name, /tmp/perf-123.map            likewise, as perf names it
 *   [heap], [stack], [stack:123]                                         likewise, unexpectedly executable
 *   /dev/dri/card0, /dev/nvidia0                                         a device
 */
export type Region = 'file' | 'vdso' | 'vsyscall' | 'kernel' | 'module' | 'memfd' | 'anonymous' | 'device';

const PATTERNS: readonly (readonly [Region, RegExp])[] = [
  ['vdso', /^\[vdso(?:x?32)?\]|^linux-(?:vdso(?:32|64)?|gate)\.so/],
  ['vsyscall', /^\[(?:vsyscall|uprobes|vectors|sigpage|vvar\w*)\]/],
  ['kernel', /^\[(?:guest\.)?kernel(?:\.kallsyms|\.vmlinux)?(?:\.\d+)?\]|^\[k\]$|(?:^|\/)vmlinu[xz](?:$|[-.][^/]*$)/],
  ['memfd', /^\/?memfd:|^\/dev\/shm\/|^\/SYSV[0-9a-f]{8}/],
  [
    'anonymous',
    /^\/\/anon|^\[anon[\]:_]|^anon_inode:|^\/anon_hugepage|^\/dev\/zero|^\[(?:heap|stack)(?:\]|:)|^\[bpf\]|^bpf_prog_[0-9a-f]{16}|\/perf-\d+\.map$/,
  ],
  ['device', /^\/dev\//],
  ['module', /\.ko(?:\.(?:gz|xz|zst))?$|^\[(?!unknown\])[A-Za-z0-9_]+\]$/],
];

export function regionOf(filename: string): Region {
  return PATTERNS.find(([, pattern]) => pattern.test(filename))?.[0] ?? 'file';
}

/** The file's name without what the kernel adds when it was replaced or deleted while it ran. */
export function fileOf(filename: string): string {
  return filename.replace(/ \(deleted\)$/, '');
}

/** `C:\svc\api.exe`, `\\server\share\api.exe`. */
const WINDOWS_PATH = /^(?:[A-Za-z]:[\\/]|\\\\)/;

/**
 * True for what Go writes on Windows where a build ID belongs: the path, and when the file was written, if it could find that
 * out: `C:\svc\api.exe2026-01-31 12:00:00.1234567 +0100 CET`.
 */
export function isFileStamp(buildId: string, filename: string): boolean {
  return WINDOWS_PATH.test(filename) && buildId.startsWith(filename);
}

/** Why a mapping without a build ID has no binary, and what to do. */
export function whyNotSearched(filename: string): { reason: string; advice: string } {
  const what = filename === '' ? 'this mapping' : filename;
  const noId = 'and the profile has no build ID for it';
  switch (regionOf(filename)) {
    case 'vdso':
      return {
        reason: `${what} is code the kernel lends to every process, ${noId}`,
        advice: 'give its image with --binary (gdb: dump memory vdso.so START END)',
      };
    case 'vsyscall':
      return { reason: `${what} is code the kernel lends to every process; there is no file of it`, advice: '' };
    case 'kernel':
      return {
        reason: `${what} is the kernel, ${noId}`,
        advice: 'give the vmlinux with debug info of exactly this kernel with --binary',
      };
    case 'module':
      return { reason: `${what} is a kernel module, ${noId}`, advice: 'give its .ko file with --binary' };
    case 'memfd':
      return {
        reason: `${what} is a file that lived in memory, ${noId}`,
        advice: 'give what was written to it with --binary',
      };
    case 'anonymous':
      return {
        reason: `${what} is memory without a file: code a JIT compiler wrote at run time; only that program can name it`,
        advice: '',
      };
    case 'device':
      return { reason: `${what} is a device's memory, there is no file of it`, advice: '' };
    case 'file':
      if (filename === '') {
        return {
          reason: 'this mapping has neither a file name nor a build ID in the profile',
          advice: 'name its file with --binary',
        };
      }
      return {
        reason: `${what} has no build ID in the profile, and no file of that name in the archive`,
        advice: 'add it, or name it with --binary',
      };
  }
}

/** What to add to the archive for a mapping whose build ID it does not have. */
export function whatToAdd(filename: string): string {
  switch (regionOf(filename)) {
    case 'vdso':
      return 'add the image of exactly this kernel (vdso64.so in its build, or gdb: dump memory vdso.so START END)';
    case 'kernel':
      return "add the vmlinux with debug info of exactly this kernel (the distribution's kernel debug package)";
    case 'module':
      return 'add the .ko file of exactly this kernel, with debug info';
    case 'memfd':
      return 'add what the program had written to it';
    case 'vsyscall':
    case 'anonymous':
    case 'device':
    case 'file':
      return 'add its unstripped build';
  }
}

/** True when a file of this machine goes by a mapping's name, as far as names tell. */
export function isNamedLike(filename: string, path: string): boolean {
  const base = (name: string) => name.split(/[/\\]/).at(-1)!;
  const file = base(path);
  switch (regionOf(filename)) {
    case 'vdso':
      return /vdso|linux-gate/.test(file);
    case 'kernel':
      return /^vmlinux/.test(file);
    case 'module':
      return moduleName(base(filename)) === moduleName(file);
    case 'vsyscall':
    case 'anonymous':
    case 'device':
      return false;
    case 'memfd':
    case 'file':
      return filename !== '' && base(fileOf(filename)).replace(/^memfd:/, '') === file;
  }
}

/** The kernel writes underscores where file names have dashes. */
function moduleName(name: string): string {
  return name
    .replace(/^\[|\]$/g, '')
    .replace(/\.ko(?:\.\w+)?(?:\.debug)?$/, '')
    .replaceAll('-', '_');
}
