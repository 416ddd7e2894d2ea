/** Both manglings of Rust, with rustc-demangle's text (0.1.28, `{:#}`). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { demangleRustLegacy } from '../../src/demangle/rust-legacy.ts';
import { demangleRustV0 } from '../../src/demangle/rust-v0.ts';

const HASH = '17h0123456789abcdefE';

describe('demangleRustLegacy', () => {
  const names: [symbol: string, name: string][] = [
    [`_ZN3foo3bar${HASH}`, 'foo::bar'],
    [`__ZN3foo3bar${HASH}`, 'foo::bar'],
    [
      `_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$${HASH}`,
      'core::ptr::drop_in_place<alloc::string::String>',
    ],
    [
      `_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar${HASH}`,
      "<Test + 'static as foo::Bar<Test>>::bar",
    ],
    [`_ZN3foo19$RF$$BP$$LP$$RP$$C$${HASH}`, 'foo::&*(),'],
    [`_ZN3foo4$SP$${HASH}`, 'foo::@'],
    [`_ZN3foo5$u7e$${HASH}`, 'foo::~'],
    [`_ZN3foo28_$u7b$$u7b$closure$u7d$$u7d$${HASH}`, 'foo::{{closure}}'],
    [`_ZN3foo3a.b${HASH}`, 'foo::a.b'],
    [`_ZN3foo5$no$x${HASH}`, 'foo::$no$x'],
    [`_ZN3foo5$u7$x${HASH}`, 'foo::$u7$x'],
    [`_ZN3foo3$LT${HASH}`, 'foo::$LT'],
    [`_ZN3foo3bar${HASH}.llvm.1234ABCD`, 'foo::bar'],
    [`_ZN3foo3bar${HASH}.cold`, 'foo::bar.cold'],
    [`_ZN3foo3bar${HASH}.cold.1.llvm.123`, 'foo::bar.cold.1'],
  ];
  for (const [symbol, name] of names) {
    test(name, () => assert.equal(demangleRustLegacy(symbol), name));
  }

  test('nothing else is one', () => {
    const others = [
      '_ZN3foo3barE', // C++
      '_ZN3foo3bar17h0123456789abcdeE',
      '_ZN3foo3bar17h0123456789ABCDEFE',
      `_ZN${HASH}`,
      '_ZN3foo17h0123456789abcdef',
      `_ZN3foo9bar${HASH}`,
      `_ZN3foo3bar${HASH}x`,
      `_ZN3foo3bar${HASH}. x`,
      `_ZN3foo4grü${HASH}`,
      `ZN3foo3bar${HASH}`,
    ];
    for (const symbol of others) assert.equal(demangleRustLegacy(symbol), null, symbol);
  });
});

describe('demangleRustV0', () => {
  const names: [symbol: string, name: string][] = [
    // paths
    ['_RC3foo', 'foo'],
    ['_RNvC3foo3bar', 'foo::bar'],
    ['_RNvCs1234_3foo3bar', 'foo::bar'],
    ['_RNvC6_123foo3bar', '123foo::bar'],
    ['_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_', 'cc::spawn::{closure#0}::{closure#0}'],
    ['_RNCNkCs1_2cc5spawns_0', 'cc::spawn::{closure#1}'],
    ['_RNSC3foo4shim', 'foo::{shim:shim#0}'],
    ['_RNQC3foos_1x', 'foo::{Q:x#1}'],
    ['_RMC3fooNtB0_3Bar', '<foo::Bar>'],
    ['_RNvMs0_NtCs1234_7mycrate3fooNtB5_3Bar3baz', '<mycrate::foo::Bar>::baz'],
    ['_RNvXC3fooNtB2_3BarNtB2_5Trait1f', '<foo::Bar as foo::Trait>::f'],
    ['_RNvYeNtC3foo5Trait1f', '<str as foo::Trait>::f'],
    ['_RINvC3foo3barlmE', 'foo::bar::<i32, u32>'],
    ['_RNvMC3fooINtB2_3BarlE1f', '<foo::Bar<i32>>::f'],
    ['_RINvC3foo3barlEC3bar', 'foo::bar::<i32>'],
    // identifiers
    ['_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y', 'utf8_idents::საჭმელად_გემრიელი_სადილი'],
    ['_RNvC3foou6gr_eva', 'foo::gŶr'],
    ['_RNvC3foou9zzzzzzzzz', 'foo::punycode{zzzzzzzzz}'],
    ['_RNvC3foou11ab_zzzzzzzz', 'foo::punycode{ab-zzzzzzzz}'],
    ['_RNvC3foou9Bcher_kva', 'foo::Bücher'],
    ['_RNvC3foo3_bar', 'foo::bar'],
    ['_RNvC3foo3__ba', 'foo::_ba'],
    // types
    [
      '_RIC3fooabcdefhijlmnopstuvxyzE',
      'foo::<i8, bool, char, f64, str, f32, u8, isize, usize, i32, u32, i128, u128, _, i16, u16, (), ..., i64, u64, !>',
    ],
    ['_RIC3fooReQePeOeE', 'foo::<&str, &mut str, *const str, *mut str>'],
    ['_RIC3fooSeAej3_E', 'foo::<[str], [str; 3]>'],
    ['_RIC3fooTETeETeeEE', 'foo::<(), (str,), (str, str)>'],
    [
      '_RIC3fooFEuFeEeFUEuFKCEuFUK9rust_callEeE',
      'foo::<fn(), fn(str) -> str, unsafe fn(), extern "C" fn(), unsafe extern "rust-call" fn() -> str>',
    ],
    ['_RIC3fooFG_RL0_eEB8_E', "foo::<for<'a> fn(&'a str) -> &'a str>"],
    ['_RIC3fooDNtB0_5TraitEL_E', 'foo::<dyn foo::Trait>'],
    ['_RIC3fooDNtB0_1ANtB0_1BEL_E', 'foo::<dyn foo::A + foo::B>'],
    ['_RIC3fooDINtB0_1AeEp4ItemhEL_E', 'foo::<dyn foo::A<str, Item = u8>>'],
    ['_RIC3fooDNtB0_1Ap4Itemhp5OtheraEL_E', 'foo::<dyn foo::A<Item = u8, Other = i8>>'],
    ['_RIC3fooDG_INtB0_1AL0_EEL_E', "foo::<dyn for<'a> foo::A<'a>>"],
    ['_RIC3fooFG_DNtB0_1AEL0_EuE', "foo::<for<'a> fn(dyn foo::A + 'a)>"],
    ['_RIC3fooL_E', "foo::<'_>"],
    // constants
    ['_RIC3fooKj0_Kjff_Kin1_KpE', 'foo::<0, 255, -1, _>'],
    ['_RIC3fooKoffffffffffffffffff_E', 'foo::<0xffffffffffffffffff>'],
    ['_RIC3fooKyffffffffffffffff_E', 'foo::<18446744073709551615>'],
    ['_RIC3fooKb0_Kb1_E', 'foo::<false, true>'],
    [
      '_RIC3fooKc61_Kc27_Kc22_Kca_Kc5c_Kc1f600_Kc301_Kc7f_E',
      `foo::<'a', '\\'', '"', '\\n', '\\\\', '😀', '\\u{301}', '\\u{7f}'>`,
    ],
    ['_RIC3fooKRe616263_Ke616263_E', 'foo::<"abc", {*"abc"}>'],
    ['_RIC3fooKRe22275c0a_E', `foo::<"\\"'\\\\\\n">`],
    ['_RIC3fooKRj1_KQj1_KRRj1_E', 'foo::<{&1}, {&mut 1}, {&&1}>'],
    ['_RIC3fooKAj1_j2_EKTj1_EKTEKTj1_j2_EE', 'foo::<{[1, 2]}, {(1,)}, {()}, {(1, 2)}>'],
    ['_RIC3fooKVNtB0_1AUKVNtB0_1BTj1_EKVNtB0_1CS1xj1_1yj2_EE', 'foo::<{foo::A}, {foo::B(1)}, {foo::C { x: 1, y: 2 }}>'],
    // suffixes
    ['_RNvC3foo3bar.llvm.9D1C9369', 'foo::bar'],
    ['_RNvC3foo3bar.llvm.9D1C9369@@16', 'foo::bar'],
    ['_RNvC3foo3bar.cold', 'foo::bar.cold'],
    ['__RNvC3foo3bar', 'foo::bar'],
  ];
  for (const [symbol, name] of names) {
    test(symbol, () => assert.equal(demangleRustV0(symbol), name));
  }

  test('nothing else is one', () => {
    const others = [
      '_R',
      '_Rx',
      '_R0C3foo',
      'RC3foo',
      '_RC3fo',
      '_RNvC3foo',
      '_RN1C3foo3bar',
      '_RIC3foo',
      '_RIC3fooB9_E',
      '_RIC3fooKb2_E',
      '_RIC3fooKcd800_E',
      '_RIC3fooKc110000_E',
      '_RIC3fooKjxE',
      '_RIC3fooKjffE',
      '_RIC3fooKReff_E',
      '_RIC3fooKRe6_E',
      '_RIC3fooDNtB0_1AEE',
      '_RIC3fooFK0EuE',
      '_RIC3fooRL0_eE',
      '_RNvC3foo3barC',
      '_RNvC3foo3bar!',
      '_RNvC3foou4_bar_',
      '_RNvCszzzzzzzzzzzzzzzzzzzz_3foo3bar',
    ];
    for (const symbol of others) assert.equal(demangleRustV0(symbol), null, symbol);
  });
});
