/** Names made to be expensive: deep, wide, exponential, or leading nowhere. */

const WIDE = 30_000;
const DEEP = 60_000;

/** Every symbol by what is bad about it. All are shorter than the bound on symbols unless that is their point. */
export function hostileSymbols(): Map<string, string> {
  return new Map([
    ['nothing but a prefix', '_Z'],
    ['pointers to pointers', `_Z1f${'P'.repeat(DEEP)}i`],
    ['references to references', `_Z1f${'R'.repeat(DEEP)}i`],
    ['references to references, few', `_Z1f${'R'.repeat(500)}i`],
    ['arrays of arrays', `_Z1f${'A1_'.repeat(DEEP / 3)}i`],
    ['qualifiers', `_Z1f${'K'.repeat(DEEP)}i`],
    ['functions of functions', `_Z1f${'PF'.repeat(DEEP / 2)}vvE`],
    ['nested names', `_Z${'N'.repeat(DEEP)}`],
    ['local names', `_Z${'Z'.repeat(DEEP)}`],
    ['local names, read', `_Z${'Z'.repeat(300)}1fv${'E1g'.repeat(300)}`],
    ['a long nested name', `_ZN${'1a'.repeat(WIDE)}Ev`],
    ['template arguments in template arguments', `_Z1f${'I1a'.repeat(DEEP / 3)}`],
    ['argument packs in argument packs', `_Z1fI${'J'.repeat(DEEP)}`],
    ['many arguments', `_Z1fI${'i'.repeat(DEEP)}Evv`],
    ['expressions', `_Z1fIX${'ng'.repeat(WIDE)}Li1EEEvv`],
    ['expressions on the left', `_Z1fIX${'pl'.repeat(WIDE / 2)}${'Li1E'.repeat(WIDE / 4)}`],
    ['scopes that could be read twice', `_Z1fIX${'sr1aI'.repeat(10_000)}`],
    ['scopes that could be read twice, few', `_Z1fIX${'srNS_1aIX'.repeat(200)}Li1E`],
    ['conversions that could be read twice', `_ZN1A${'cvS_IN1A'.repeat(200)}`],
    ['lambdas in lambdas', `_Z${'UlN'.repeat(DEEP / 3)}`],
    ['template parameters declared', `_ZUl${'Tp'.repeat(WIDE)}`],
    ['modules', `_Z${'W1a'.repeat(DEEP / 3)}1f`],
    ['tags', `_Z1f${'B1a'.repeat(DEEP / 3)}`],
    ['designators', `_Z1fIXtl1a${'di1x'.repeat(DEEP / 4)}Li1EEEEvv`],
    ['a length of many digits', `_Z${'9'.repeat(DEEP)}a`],
    ['an id of many digits', `_Z1fS${'Z'.repeat(DEEP)}_`],
    ['a parameter of many digits', `_Z1fIiEvT${'9'.repeat(DEEP)}_`],
    ['a literal of many digits', `_Z1fILi${'9'.repeat(DEEP)}EEvv`],
    ['a suffix of many parts', `_Z1fv${'.a'.repeat(WIDE)}`],
    ['a suffix that is no suffix', `_Z1fv${'.a.1'.repeat(WIDE / 2)}-`],
    ['substitutions that double the text', doublingTypes(40, 'pair')],
    ['substitutions that double the nodes and print nothing', doublingPacks(40)],
    ['packs expanded in packs', `_Z1fIJ${'i'.repeat(200)}EEvDp${'1aIDp'.repeat(40)}T_${'E'.repeat(40)}`],
    ['packs of packs', nestedExpansions(30)],
    ['a conversion to itself', '_ZN1AcvT_IT_EEv'],
    ['conversions in a circle', '_ZN1AcvPT_IXcvT_Li1EEEEv'],
    ['deeper by substitution than by rule', chainedSubstitutions(9000)],
    ['beyond the length', `_Z1f${'i'.repeat(70_000)}`],
    ['v0: nothing but a prefix', '_R'],
    ['v0: references', `_RMC0${'R'.repeat(DEEP)}e`],
    ['v0: paths', `_R${'NvN'.repeat(DEEP / 3)}C3foo`],
    ['v0: generic arguments', `_R${'I'.repeat(DEEP)}C3foo`],
    ['v0: tuples', `_RIC3foo${'T'.repeat(DEEP)}`],
    ['v0: constants', `_RIC3fooK${'R'.repeat(DEEP)}`],
    ['v0: a reference back to itself', '_RIC3fooTB4_E'],
    ['v0: references back that double the text', doublingBackReferences(50)],
    ['v0: references back that double the steps', doublingEmptyTuples(50)],
    ['v0: many lifetimes', '_RIC3fooFGzzzzzz_uuE'],
    ['v0: many lifetimes, printing none', '_RMIC3fooFGzzzzzzzzzz_uEu'],
    ['v0: a long number', `_RIC3fooKj${'f'.repeat(DEEP)}_E`],
    ['v0: long punycode', `_RNvC3foou${DEEP}_${'z'.repeat(DEEP)}`],
    ['v0: long punycode, decoding', `_RNvC3foou9000_${'a'.repeat(9000)}`],
    ['v0: a length of many digits', `_RNvC3foo${'9'.repeat(DEEP)}`],
    ['v0: a long disambiguator', `_RNvCs${'z'.repeat(DEEP)}_3foo`],
    ['legacy: many parts', `_ZN${'1a'.repeat(WIDE)}17h0123456789abcdefE`],
    ['legacy: many escapes', `_ZN${10_000}${'$LT$'.repeat(2500)}17h0123456789abcdefE`],
    ['legacy: dollars', `_ZN${20_000}${'$'.repeat(20_000)}17h0123456789abcdefE`],
    ['legacy: dots', `_ZN${20_000}${'.'.repeat(20_000)}17h0123456789abcdefE`],
  ]);
}

/** `f(pair<int, int>, pair<pair<int, int>, pair<int, int>>, ...)`: 2 to the `n` ints. */
function doublingTypes(n: number, name: string): string {
  let types = '';
  for (let i = 0; i < n; i++) {
    const last = i === 0 ? 'i' : substitution(i);
    types += i === 0 ? `${name.length}${name}Iii` + 'E' : `S_I${last}${last}E`;
  }
  return `_Z1f${types}`;
}

function doublingPacks(n: number): string {
  let types = '';
  for (let i = 0; i < n; i++) {
    const last = i === 0 ? 'T_' : substitution(2 * i - 1);
    types += `PFvDp${last}Dp${last}E`;
  }
  return `_Z1fIJEEv${types}`;
}

function nestedExpansions(n: number): string {
  return `_Z1fI${'J'}${'ii'}EEv${'PFvDp'.repeat(n)}T_DpT_${'E'.repeat(n)}`;
}

/** Each parameter is a pointer to the one before. */
function chainedSubstitutions(n: number): string {
  let types = 'Pi';
  for (let i = 0; i < n; i++) types += `P${substitution(i)}`;
  return `_Z1f${types}`;
}

/** The code of the `index`th substitution. */
function substitution(index: number): string {
  return index === 0 ? 'S_' : `S${(index - 1).toString(36).toUpperCase()}_`;
}

/** Nested tuples of which each repeats the one before it. */
function doublingBackReferences(n: number): string {
  return doubling(n, 'Teee', 'E');
}

function doublingEmptyTuples(n: number): string {
  return doubling(n, 'T', 'E');
}

function doubling(n: number, open: string, close: string): string {
  let symbol = `IC3foo`;
  let previous = symbol.length;
  symbol += open + close;
  for (let i = 0; i < n; i++) {
    const back = `B${base62(previous)}`;
    previous = symbol.length;
    symbol += `T${back}${back}E`;
  }
  return `_R${symbol}E`;
}

function base62(value: number): string {
  if (value === 0) return '_';
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  let text = '';
  for (let left = value - 1; ; left = Math.floor(left / 62)) {
    text = digits[left % 62] + text;
    if (left < 62) return `${text}_`;
  }
}
