/** Mach-O constants, named as in Apple's <mach-o/loader.h>, <mach-o/nlist.h>, <mach-o/fat.h>, <mach-o/fixup-chains.h>, <mach/machine.h>. */

// magic, read big endian
export const MH_MAGIC = 0xfeedface;
export const MH_MAGIC_64 = 0xfeedfacf;
export const MH_CIGAM = 0xcefaedfe;
export const MH_CIGAM_64 = 0xcffaedfe;
export const FAT_MAGIC = 0xcafebabe;
export const FAT_MAGIC_64 = 0xcafebabf;

// cputype, cpusubtype
export const CPU_ARCH_ABI64 = 0x01000000;
export const CPU_TYPE_I386 = 7;
export const CPU_TYPE_X86_64 = 0x01000007;
export const CPU_TYPE_ARM = 12;
export const CPU_TYPE_ARM64 = 0x0100000c;
export const CPU_TYPE_ARM64_32 = 0x0200000c;
export const CPU_TYPE_POWERPC = 18;
export const CPU_TYPE_POWERPC64 = 0x01000012;
/** The upper byte of cpusubtype holds capabilities, not the subtype. */
export const CPU_SUBTYPE_MASK = 0x00ffffff;
export const CPU_SUBTYPE_X86_64_H = 8;
export const CPU_SUBTYPE_ARM64E = 2;
export const CPU_SUBTYPE_ARM_V7S = 11;
export const CPU_SUBTYPE_ARM_V7K = 12;
export const CPU_SUBTYPE_ARM_V7 = 9;

// filetype
export const MH_OBJECT = 1;
export const MH_EXECUTE = 2;
export const MH_CORE = 4;
export const MH_PRELOAD = 5;
export const MH_DYLIB = 6;
export const MH_DYLINKER = 7;
export const MH_BUNDLE = 8;
export const MH_DSYM = 10;
export const MH_KEXT_BUNDLE = 11;

// header flags
export const MH_PIE = 0x200000;

// load commands
export const LC_SEGMENT = 0x1;
export const LC_SYMTAB = 0x2;
export const LC_SEGMENT_64 = 0x19;
export const LC_UUID = 0x1b;
export const LC_DYLD_INFO = 0x22;
export const LC_FUNCTION_STARTS = 0x26;
export const LC_DYLD_INFO_ONLY = 0x80000022;
export const LC_DYLD_CHAINED_FIXUPS = 0x80000034;

// segment protection
export const VM_PROT_READ = 1;
export const VM_PROT_WRITE = 2;
export const VM_PROT_EXECUTE = 4;

// section flags: the low byte is the type
export const SECTION_TYPE = 0xff;
export const S_ZEROFILL = 0x1;
export const S_GB_ZEROFILL = 0xc;
export const S_THREAD_LOCAL_ZEROFILL = 0x12;
export const S_ATTR_PURE_INSTRUCTIONS = 0x80000000;
export const S_ATTR_SOME_INSTRUCTIONS = 0x400;

// n_type
export const N_STAB = 0xe0;
export const N_TYPE = 0x0e;
export const N_EXT = 0x01;
export const N_ABS = 0x02;
export const N_SECT = 0x0e;
// n_desc
export const N_WEAK_DEF = 0x80;

// rebase opcodes: the high four bits; the low ones are an immediate
export const REBASE_OPCODE_DONE = 0x00;
export const REBASE_OPCODE_SET_TYPE_IMM = 0x10;
export const REBASE_OPCODE_SET_SEGMENT_AND_OFFSET_ULEB = 0x20;
export const REBASE_OPCODE_ADD_ADDR_ULEB = 0x30;
export const REBASE_OPCODE_ADD_ADDR_IMM_SCALED = 0x40;
export const REBASE_OPCODE_DO_REBASE_IMM_TIMES = 0x50;
export const REBASE_OPCODE_DO_REBASE_ULEB_TIMES = 0x60;
export const REBASE_OPCODE_DO_REBASE_ADD_ADDR_ULEB = 0x70;
export const REBASE_OPCODE_DO_REBASE_ULEB_TIMES_SKIPPING_ULEB = 0x80;
export const REBASE_TYPE_POINTER = 1;

// pointer formats of chained fixups
export const DYLD_CHAINED_PTR_ARM64E = 1;
export const DYLD_CHAINED_PTR_64 = 2;
export const DYLD_CHAINED_PTR_32 = 3;
export const DYLD_CHAINED_PTR_32_CACHE = 4;
export const DYLD_CHAINED_PTR_32_FIRMWARE = 5;
export const DYLD_CHAINED_PTR_64_OFFSET = 6;
export const DYLD_CHAINED_PTR_ARM64E_KERNEL = 7;
export const DYLD_CHAINED_PTR_64_KERNEL_CACHE = 8;
export const DYLD_CHAINED_PTR_ARM64E_USERLAND = 9;
export const DYLD_CHAINED_PTR_ARM64E_FIRMWARE = 10;
export const DYLD_CHAINED_PTR_X86_64_KERNEL_CACHE = 11;
export const DYLD_CHAINED_PTR_ARM64E_USERLAND24 = 12;
// page_start
export const DYLD_CHAINED_PTR_START_NONE = 0xffff;
export const DYLD_CHAINED_PTR_START_MULTI = 0x8000;
export const DYLD_CHAINED_PTR_START_LAST = 0x8000;
