import assert from 'node:assert/strict';
import test from 'node:test';
import type { NewFunction } from '../../src/profile/function-pool.ts';
import { LineTable, NewLines } from '../../src/profile/newlines.ts';

const fn = (name: string, filename = `${name}.go`): NewFunction => ({ name, systemName: name, filename, startLine: 1 });
const [f, g, h] = [fn('f'), fn('g'), fn('h', '')];

/** A location's lines as text. */
function said(lines: NewLines, location: number): string[] {
  const { table } = lines;
  const { functions } = table;
  const list = lines.list(location);
  return Array.from({ length: table.depth(list) }, (_, i) => {
    const name = functions.strings.text(functions.name(table.function(list, i)));
    return `${name}:${table.line(list, i)}:${table.column(list, i)}`;
  });
}

test('a table keeps lists and says of each what a mapping is flagged by', () => {
  const table = new LineTable();
  const both = table.add([
    { function: f, line: 7, column: 3 },
    { function: g, line: 2 ** 40, column: 0 },
  ]);
  const bare = table.add([{ function: h, line: 0, column: 0 }]);
  const empty = table.add([]);
  assert.deepEqual(
    [both, bare, empty].map((list) => table.depth(list)),
    [2, 1, 0],
  );
  assert.deepEqual(
    [both, bare, empty].map((list) => table.hasFile(list)),
    [true, false, false],
  );
  assert.deepEqual(
    [both, bare, empty].map((list) => table.hasLine(list)),
    [true, false, false],
  );
  const { functions } = table;
  assert.equal(functions.strings.text(functions.filename(table.function(both, 1))), 'g.go');
  assert.equal(table.line(both, 1), 2 ** 40);
  assert.equal(table.column(both, 0), 3);
  assert.equal(functions.count, 3);
  assert.equal(table.size, 3 + 3 * 3 + 'ff.gogg.goh'.length);
});

test('lines of a table that knows more than the profile needs', () => {
  const table = new LineTable();
  const lines = new NewLines(table);
  const a = table.add([{ function: f, line: 1, column: 0 }]);
  lines.set(5, a);
  lines.set(0, table.add([{ function: g, line: 2, column: 0 }]));
  for (let i = 0; i < 1000; i++) table.add([{ function: fn(`x${i}`), line: 1, column: 0 }]);
  const b = table.add([
    { function: h, line: 3, column: 4 },
    { function: { ...f }, line: 5, column: 0 },
  ]);
  lines.set(2, b);
  lines.set(1009, a);
  assert.deepEqual(lines.locations(), [0, 2, 5, 1009]);
  assert.equal(lines.size, 4);
  assert.deepEqual(
    [0, 2, 5, 1009].map((location) => said(lines, location)),
    [['g:2:0'], ['h:3:4', 'f:5:0'], ['f:1:0'], ['f:1:0']],
  );
  assert.equal(table.functions.count, 1003);
  assert.deepEqual(
    [0, 1, 2, 3, 1010, 1e6].map((location) => lines.has(location)),
    [true, false, true, false, false, false],
  );
});

test('lists of a Map, in any order', () => {
  const lines = NewLines.of(
    new Map([
      [4, [{ function: f, line: 1, column: 2 }]],
      [1, []],
    ]),
  );
  assert.deepEqual(lines.locations(), [1, 4]);
  assert.deepEqual(
    [1, 4].map((location) => said(lines, location)),
    [[], ['f:1:2']],
  );
  for (const location of [-1, 0.5, NaN]) assert.throws(() => NewLines.of(new Map([[location, []]])), RangeError);
});
