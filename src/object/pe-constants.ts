/** Numbers of Microsoft's "PE Format", by the table they come from. */

// Image file machine types
export const IMAGE_FILE_MACHINE_I386 = 0x14c;
export const IMAGE_FILE_MACHINE_ARM = 0x1c0;
export const IMAGE_FILE_MACHINE_THUMB = 0x1c2;
export const IMAGE_FILE_MACHINE_ARMNT = 0x1c4;
export const IMAGE_FILE_MACHINE_IA64 = 0x200;
export const IMAGE_FILE_MACHINE_RISCV32 = 0x5032;
export const IMAGE_FILE_MACHINE_RISCV64 = 0x5064;
export const IMAGE_FILE_MACHINE_LOONGARCH32 = 0x6232;
export const IMAGE_FILE_MACHINE_LOONGARCH64 = 0x6264;
export const IMAGE_FILE_MACHINE_AMD64 = 0x8664;
export const IMAGE_FILE_MACHINE_ARM64EC = 0xa641;
export const IMAGE_FILE_MACHINE_ARM64X = 0xa64e;
export const IMAGE_FILE_MACHINE_ARM64 = 0xaa64;

// Image file characteristics
export const IMAGE_FILE_RELOCS_STRIPPED = 0x0001;
export const IMAGE_FILE_DLL = 0x2000;

// Optional header magic
export const IMAGE_ROM_OPTIONAL_HDR_MAGIC = 0x107;
export const IMAGE_NT_OPTIONAL_HDR32_MAGIC = 0x10b;
export const IMAGE_NT_OPTIONAL_HDR64_MAGIC = 0x20b;

// DLL characteristics
export const IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE = 0x0040;

// Data directories, by number
export const IMAGE_DIRECTORY_ENTRY_EXPORT = 0;
export const IMAGE_DIRECTORY_ENTRY_EXCEPTION = 3;
export const IMAGE_DIRECTORY_ENTRY_BASERELOC = 5;
export const IMAGE_DIRECTORY_ENTRY_DEBUG = 6;

// Section flags
export const IMAGE_SCN_MEM_EXECUTE = 0x20000000;
export const IMAGE_SCN_MEM_READ = 0x40000000;
export const IMAGE_SCN_MEM_WRITE = 0x80000000;

// Debug type
export const IMAGE_DEBUG_TYPE_CODEVIEW = 2;

// Storage class
export const IMAGE_SYM_CLASS_EXTERNAL = 2;
export const IMAGE_SYM_CLASS_STATIC = 3;
export const IMAGE_SYM_CLASS_LABEL = 6;
export const IMAGE_SYM_CLASS_WEAK_EXTERNAL = 105;

/** Type representation, the "complex" part, in bits 4 to 7. */
export const IMAGE_SYM_DTYPE_FUNCTION = 2;

// Base relocation types
export const IMAGE_REL_BASED_HIGHLOW = 3;
export const IMAGE_REL_BASED_DIR64 = 10;
