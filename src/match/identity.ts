import type { ObjectFormat, ObjectType } from '../object/object.ts';

/** Everything by which a binary can be recognised, and what it can answer. Computed once, at ingest or first use. */
export interface Identity {
  readonly format: ObjectFormat;
  readonly arch: string;
  readonly type: ObjectType;
  readonly ids: {
    /** ELF NT_GNU_BUILD_ID, lower-case hex. */
    readonly gnu: string | null;
    /** Go build ID text, as in the note: `P1/P2/P3/P4`. */
    readonly go: string | null;
    /** GNU build ID the Go linker derives from `go`, with the first byte zeroed because releases differ in it. */
    readonly goDerivedGnu: string | null;
    readonly uuid: string | null;
    readonly pe: string | null;
    /** Hash of the pclntab bytes: equal for stripped and unstripped builds of one program. */
    readonly pclntabSha256: string | null;
  };
  /** Hash of the ids of its split DWARF units: equal for a program and its .dwp. null without any. */
  readonly splitUnits: string | null;
  /** Address of runtime.text, hex: equal function tables mean equal functions at equal distances from it. */
  readonly goText: string | null;
  /** Place of the main code section, the same in all files of one build, also in debug info alone. */
  readonly text: { readonly address: string; readonly size: number } | null;
  readonly go: GoBuild | null;
  readonly symbols: {
    readonly pclntab: { readonly version: string; readonly functions: number } | null;
    readonly dwarf: { readonly versions: readonly number[]; readonly units: number } | null;
    readonly symtab: { readonly functions: number } | null;
  };
  /** Sentences about what could not be read, e.g. an altered pclntab magic. Empty when all is well. */
  readonly problems: readonly string[];
}

/** Go's build info, see go-version(1). */
export interface GoBuild {
  readonly version: string;
  /** Import path of the main package. */
  readonly path: string;
  readonly main: { readonly path: string; readonly version: string } | null;
  /** `build` lines: -ldflags, GOARCH, vcs.revision... */
  readonly settings: Readonly<Record<string, string>>;
}
