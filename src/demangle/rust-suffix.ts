/** What follows a Rust symbol's own end: LLVM's renamings and the names of copies, as `rustc-demangle` treats them. */
/** The text to show for `suffix`, null if this is nothing a compiler appends. */
export function rustSuffix(suffix: string): string | null {
  // ThinLTO makes `.llvm.` and a hash out of an internal symbol; it says nothing of the function
  const llvm = suffix.indexOf('.llvm.');
  const kept = llvm >= 0 && /^[A-F0-9@]*$/.test(suffix.slice(llvm + 6)) ? suffix.slice(0, llvm) : suffix;
  return kept === '' || /^\.[!-~]*$/.test(kept) ? kept : null;
}
