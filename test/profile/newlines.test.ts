import assert from 'node:assert/strict';
import test from 'node:test';
import { LineTable, type NewFunction, NewLines } from '../../src/profile/newlines.ts';

const fn = (name: string, filename = `${name}.go`): NewFunction => ({ name, systemName: name, filename, startLine: 1 });
const [f, g, h] = [fn('f'), fn('g'), fn('h', '')];

/** A location's lines as text. */
function said(lines: NewLines, location: number): string[] {
  const found: string[] = [];
  for (let i = lines.start(location); i < lines.end(location); i++) {
    found.push(`${lines.functions[lines.functionNumbers[i]].name}:${lines.lines[i]}:${lines.columns[i]}`);
  }
  return found;
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
  assert.equal(table.functions[table.function(both, 1)], g);
  assert.equal(table.line(both, 1), 2 ** 40);
  assert.equal(table.column(both, 0), 3);
  assert.equal(table.functions.length, 3);
});

test('lines of several tables, some of which grow meanwhile', () => {
  const [one, other] = [new LineTable(), new LineTable()];
  const lines = new NewLines();
  const a = one.add([{ function: f, line: 1, column: 0 }]);
  lines.set(5, one, a);
  lines.set(0, other, other.add([{ function: g, line: 2, column: 0 }]));
  for (let i = 0; i < 1000; i++) one.add([{ function: fn(`x${i}`), line: 1, column: 0 }]);
  const b = one.add([
    { function: h, line: 3, column: 4 },
    { function: f, line: 5, column: 0 },
  ]);
  lines.set(2, one, b);
  lines.set(9, one, a);
  assert.deepEqual(lines.locations(), [0, 2, 5, 9]);
  assert.equal(lines.size, 4);
  assert.deepEqual(
    [0, 2, 5, 9].map((location) => said(lines, location)),
    [['g:2:0'], ['h:3:4', 'f:5:0'], ['f:1:0'], ['f:1:0']],
  );
  assert.deepEqual(lines.functions, [f, g, h]);
  assert.deepEqual(
    [0, 1, 2, 3, 10].map((location) => lines.has(location)),
    [true, false, true, false, false],
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
