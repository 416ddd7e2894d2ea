/** Which symbols are read as what, what stays as it is, and that nothing a stranger can name costs more than a moment. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { demangle } from '../../src/demangle/demangle.ts';
import { fixture } from './fixture.ts';
import { hostileSymbols } from './hostile.ts';

/** Many times what a name may take (10 ms): a machine under load must not fail this. */
const MAX_MILLISECONDS = 250;

describe('demangle', () => {
  test('reads C++ and both manglings of Rust', () => {
    assert.equal(demangle('_ZNK3foo3barEi'), 'foo::bar(int) const');
    assert.equal(demangle('_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE'), 'core::fmt::Write::write_fmt');
    assert.equal(demangle('_RNvMs0_NtCs1234_7mycrate3fooNtB5_3Bar3baz'), '<mycrate::foo::Bar>::baz');
  });

  test('reads what Mach-O puts an underscore before', () => {
    assert.equal(demangle('__ZNK3foo3barEi'), 'foo::bar(int) const');
    assert.equal(demangle('__ZN3foo3bar17h0123456789abcdefE'), 'foo::bar');
    assert.equal(demangle('__RNvC3foo3bar'), 'foo::bar');
    assert.equal(demangle('___Z3foov_block_invoke_2'), 'invocation function for block in foo()');
    assert.equal(demangle('____Z3foov_block_invoke'), 'invocation function for block in foo()');
  });

  test('keeps versions, and the dot of a PowerPC entry', () => {
    assert.equal(demangle('_Z3foov@@V1'), 'foo()@@V1');
    assert.equal(demangle('_Z3foov@plt'), 'foo()@plt');
    assert.equal(demangle('_ZN3foo3bar17h0123456789abcdefE@@V1'), 'foo::bar@@V1');
    assert.equal(demangle('._Z3foov'), '.foo()');
    assert.equal(demangle('memcpy@@GLIBC_2.14'), 'memcpy@@GLIBC_2.14');
  });

  test('leaves everything else as it is', () => {
    const others = [
      '',
      '_',
      '__',
      '.',
      '@',
      '_Z',
      '_R',
      'main',
      '_start',
      'main.main',
      'runtime.mallocgc',
      'github.com/x/y.(*T).F[go.shape.int]',
      '_cgo_0123_Cfunc_f',
      '_GLOBAL__sub_I_main.cpp',
      '_D3std5stdio7writelnFZv', // D
      '$s4main3fooyyF', // Swift
      '_$s4main3fooyyF',
      '_T04main3fooyyF',
      'camlStdlib__List__map_123', // OCaml
      '?f@@YAXXZ', // Microsoft
      '_Z3foo3bar3',
      '_Z1fS5_',
      '_Z1fIiEvT1_',
      '_ZN3foo',
      '_Z3foov!',
      '_Z3foov\0',
      '_Z9foo',
      '_RNvC3foo3bar!',
      '_RNvC3foo9bar',
      '_RNvB_3bar',
      '_Rnot_a_path',
      'Z3foov',
      '_Z3fo\u{1f600}',
    ];
    for (const symbol of others) assert.equal(demangle(symbol), symbol);
  });

  test('reads identifiers that are not ASCII', () => {
    assert.equal(demangle('_Z6grün_v'), 'grün_()');
    assert.equal(demangle('_RNvC3foo3grü'), '_RNvC3foo3grü'); // v0 has punycode for them
  });

  for (const language of ['cxx', 'rust'] as const) {
    test(`gives the names of ${language === 'cxx' ? 'llvm-cxxfilt' : 'rustc-demangle'} to the symbols in the fixture`, () => {
      const pairs = fixture(language);
      assert.ok(pairs.length > 1000);
      const wrong = pairs.filter(([symbol, name]) => demangle(symbol) !== name);
      assert.deepEqual(
        wrong.map(([symbol, name]) => [symbol, demangle(symbol), name]),
        [],
      );
    });
  }

  test('is done with any name at once', () => {
    for (const [what, symbol] of hostileSymbols()) {
      const before = process.cpuUsage();
      const name = demangle(symbol);
      const { user } = process.cpuUsage(before);
      assert.ok(user < MAX_MILLISECONDS * 1000, `${what}: ${user / 1000} ms`);
      assert.ok(name === symbol || name.length <= 1 << 17, `${what}: ${name.length}`);
    }
  });

  test('leaves names beyond the bounds as they are', () => {
    const symbols = hostileSymbols();
    const beyond = [
      'pointers to pointers',
      'a long nested name',
      'many arguments',
      'substitutions that double the text',
      'deeper by substitution than by rule',
      'beyond the length',
      'v0: references',
      'v0: references back that double the text',
      'v0: references back that double the steps',
      'v0: many lifetimes',
    ];
    for (const what of beyond) {
      const symbol = symbols.get(what);
      assert.ok(symbol !== undefined, what);
      assert.equal(demangle(symbol), symbol, what);
    }
  });

  test('reads names that are only large', () => {
    const deep = `_Z1f${'P'.repeat(200)}i`;
    assert.equal(demangle(deep), `f(int${'*'.repeat(200)})`);
    const wide = `_Z1fI${'i'.repeat(2000)}Evv`;
    assert.equal(demangle(wide), `void f<${Array(2000).fill('int').join(', ')}>()`);
  });
});
