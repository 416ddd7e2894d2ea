/**
 * The house rules of ARCHITECTURE.md, read off the imports: who may import whom, which rooms are pure, no cycles.
 * Type-only imports count: a type is knowledge too.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** A room is a folder of src/, or a file directly in it. A room imports from rows above its own and from itself. */
const ROWS = [
  ['errors', 'bytes'],
  ['profile', 'object', 'demangle'],
  ['gosym', 'dwarf', 'legacy'],
  ['symbolize', 'match'],
  ['store', 'bucket', 'rewrite'],
  [
    'flags',
    'config-file',
    'config',
    'deadline',
    'answers',
    'ladder',
    'pipeline',
    'version',
    'open-store',
    'open-engine',
    'workers',
  ],
  ['source', 'serve', 'capture', 'demo', 'cli'],
];

/** Imports within a row, each because one room is built out of the other. Nothing else crosses a row. */
const WITHIN_ROW: Record<string, readonly string[]> = {
  bytes: ['errors'],
  'config-file': ['flags'],
  config: ['flags', 'config-file'],
  ladder: ['deadline'],
  pipeline: ['deadline', 'answers', 'ladder'],
  bucket: ['store'],
  'open-engine': ['pipeline', 'open-store'],
  workers: ['pipeline', 'open-engine', 'open-store'],
  serve: ['source', 'capture'],
  capture: ['source'],
  demo: ['serve', 'source'],
  cli: ['source', 'serve', 'capture', 'demo'],
};

/** Rooms that touch no file, socket, clock or environment and never wait. */
const PURE = new Set([
  'errors',
  'bytes',
  'profile',
  'object',
  'gosym',
  'dwarf',
  'legacy',
  'symbolize',
  'match',
  'rewrite',
  'demangle',
  'legacy',
]);

/** Node's modules that only compute. */
const PURE_MODULES = new Set(['node:buffer', 'node:crypto', 'node:zlib']);

/** Names that reach outside or into time; also as a property of `globalThis`. */
const IMPURE_NAMES = new Set(
  'process Date performance fetch console setTimeout setInterval setImmediate queueMicrotask WebSocket XMLHttpRequest'.split(
    ' ',
  ),
);

/** Each package where it belongs: the framework of one room must not leak into the next. */
const PACKAGES: Record<string, readonly string[]> = {
  protobufjs: ['profile', 'bytes', 'legacy'],
  pako: ['profile', 'bytes', 'object'],
  zstddec: ['object', 'bytes'],
  'lru-cache': ['store', 'answers', 'workers', 'serve', 'source', 'symbolize'],
  yaml: ['config-file', 'cli'],
  valibot: ['config', 'serve', 'capture', 'store'],
  undici: ['source', 'serve', 'store', 'capture', 'cli'],
  '@aws-sdk/client-s3': ['bucket'],
  '@aws-sdk/lib-storage': ['bucket'],
  express: ['serve'],
  jose: ['serve'],
  pino: ['serve', 'cli', 'capture', 'source', 'store'],
  commander: ['cli'],
  tinypool: ['workers'],
  tinyglobby: ['cli', 'store'],
  'xz-decompress': ['store'],
};

/** Files allowed to be longer than MAX_LINES, with the reason. */
const LONG_FILES: Record<string, string> = {};
const MAX_LINES = 400;

/** Files allowed to wait although their room is pure. */
const ASYNC_FILES: Record<string, string> = {
  'bytes/inflate.ts': 'a WebAssembly module can only be started asynchronously',
};

/** Far fewer files than src/ holds: what this guards against is a walk that sees nothing and passes. */
const MIN_FILES = 80;

interface Source {
  /** Path below src/, forward slashes. */
  readonly path: string;
  readonly lines: number;
  /** As written: './x.ts', 'node:fs', 'undici'. */
  readonly imports: readonly string[];
  /** Impure names used as globals, with line numbers. */
  readonly impure: readonly string[];
  /** Lines with `async`, `await` or a generator's asynchronous kin. */
  readonly waits: readonly number[];
}

const sources = sourceFiles(SRC).map((file) => {
  const path = relative(SRC, file).split(sep).join('/');
  return read(path, readFileSync(file, 'utf8'));
});

test('the walk saw the sources', () => {
  assert.ok(sources.length >= MIN_FILES, `only ${sources.length} files below ${SRC}`);
  const edges = sources.reduce((sum, source) => sum + source.imports.length, 0);
  assert.ok(edges > sources.length, `only ${edges} imports in ${sources.length} files`);
});

test('every room has a row, and imports go upwards only', () => {
  assert.deepEqual(sources.flatMap(breaches), []);
});

test('pure rooms touch no file, socket, clock or environment and do not wait', () => {
  assert.deepEqual(sources.flatMap(impurities), []);
});

test('no file imports itself through others', () => {
  const cycle = findCycle(new Map(sources.map((source) => [source.path, localImports(source)])));
  assert.equal(cycle, null);
});

test('a file is one noun: not too long, and no barrels, utils, types, services', () => {
  const tooLong = sources
    .filter(({ path, lines }) => lines > MAX_LINES && !(path in LONG_FILES))
    .map(({ path, lines }) => `${path}: ${lines} lines`);
  assert.deepEqual(tooLong, []);
  const general = sources
    .filter(({ path }) => /(^|\/)(index|utils?|types?|services?|helpers?|common|misc)(\.ts$|\/)/.test(path))
    .map(({ path }) => path);
  assert.deepEqual(general, []);
  const stale = Object.keys(LONG_FILES).filter(
    (path) => !sources.some((source) => source.path === path && source.lines > MAX_LINES),
  );
  assert.deepEqual(stale, [], 'exceptions that are not needed any more');
});

test('the rules themselves catch what they are for', () => {
  const text = `
    import { a } from './a.ts';
    import type { B } from '../object/object.ts';
    export * from '../profile/scan.ts';
    export type { C } from './c.ts';
    type D = import('../store/catalog.ts').Catalog;
    const e = import('node:fs');
    const w = new Worker(new URL('./worker.ts', import.meta.url));
    // import { no } from '../cli/resym.ts';
    const text = "import x from '../serve/app.ts'";
    export async function f(x: { Date: number; process(): void }) { x.process(); await e; return process.env.HOME ?? Date.now() + Math.random(); }
  `;
  const source = read('gosym/x.ts', text);
  assert.deepEqual(source.imports, [
    './a.ts',
    '../object/object.ts',
    '../profile/scan.ts',
    './c.ts',
    '../store/catalog.ts',
    'node:fs',
    './worker.ts',
  ]);
  assert.deepEqual(breaches(source), ['gosym/x.ts: gosym may not import store (../store/catalog.ts)']);
  assert.deepEqual(impurities(source), [
    'gosym/x.ts: node:fs',
    'gosym/x.ts:11: process',
    'gosym/x.ts:11: Date',
    'gosym/x.ts:11: Math.random',
    'gosym/x.ts:11: waits',
    'gosym/x.ts:11: waits',
  ]);
  assert.deepEqual(breaches(read('profile/x.ts', "import '../object/elf.ts';")), [
    'profile/x.ts: profile may not import object (../object/elf.ts)',
  ]);
  assert.deepEqual(breaches(read('object/x.ts', "import '../profile/scan.ts';")), [
    'object/x.ts: object may not import profile (../profile/scan.ts)',
  ]);
  assert.deepEqual(breaches(read('profile/x.ts', "import 'express';")), [
    'profile/x.ts: express does not belong in profile',
  ]);
  assert.deepEqual(breaches(read('bytes/x.ts', "import './cursor';")), ['bytes/x.ts: ./cursor does not end in .ts']);
  assert.deepEqual(breaches(read('attic/x.ts', '')), ['attic/x.ts: attic has no row']);
  assert.deepEqual(breaches(read('cli/x.ts', "import '../serve/app.ts'; import '../bytes/cursor.ts';")), []);
  assert.deepEqual(
    findCycle(
      new Map([
        ['a', ['b']],
        ['b', ['c', 'd']],
        ['c', []],
        ['d', ['b']],
      ]),
    ),
    ['b', 'd', 'b'],
  );
});

function breaches({ path, imports }: Source): string[] {
  const room = roomOf(path);
  const row = rowOf(room);
  if (row === -1) return [`${path}: ${room} has no row`];
  const found: string[] = [];
  for (const specifier of imports) {
    if (specifier.startsWith('node:')) continue;
    if (!specifier.startsWith('.')) {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      if (PACKAGES[name]?.includes(room) !== true) found.push(`${path}: ${name} does not belong in ${room}`);
      continue;
    }
    if (!specifier.endsWith('.ts')) {
      found.push(`${path}: ${specifier} does not end in .ts`);
      continue;
    }
    const target = roomOf(resolve(path, specifier));
    if (target === room || WITHIN_ROW[room]?.includes(target) === true) continue;
    const targetRow = rowOf(target);
    if (targetRow === -1 || targetRow >= row) found.push(`${path}: ${room} may not import ${target} (${specifier})`);
  }
  return found;
}

function impurities({ path, imports, impure, waits }: Source): string[] {
  if (!PURE.has(roomOf(path))) return [];
  const modules = imports.filter((specifier) => specifier.startsWith('node:') && !PURE_MODULES.has(specifier));
  return [
    ...modules.map((specifier) => `${path}: ${specifier}`),
    ...impure.map((use) => `${path}:${use}`),
    ...(path in ASYNC_FILES ? [] : waits.map((line) => `${path}:${line}: waits`)),
  ];
}

function roomOf(path: string): string {
  return path.split('/')[0]?.replace(/\.ts$/, '') ?? '';
}

function rowOf(room: string): number {
  return ROWS.findIndex((rooms) => rooms.includes(room));
}

function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(dirname(from), specifier));
}

function localImports(source: Source): string[] {
  return source.imports
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => resolve(source.path, specifier));
}

/** The first cycle met, as the files along it with the first one repeated; null without one. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (file: string): string[] | null => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return null;
    trail.push(file);
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== null) return cycle;
    }
    trail.pop();
    done.add(file);
    return null;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file);
    if (cycle !== null) return cycle;
  }
  return null;
}

function read(path: string, text: string): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: string[] = [];
  const impure: string[] = [];
  const waits: number[] = [];
  const lineOf = (node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) imports.push(specifier.text);
    if (ts.isIdentifier(node) && IMPURE_NAMES.has(node.text) && isGlobalUse(node))
      impure.push(`${lineOf(node)}: ${node.text}`);
    if (ts.isPropertyAccessExpression(node) && node.getText(tree) === 'Math.random')
      impure.push(`${lineOf(node)}: Math.random`);
    if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) waits.push(lineOf(node));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, lines: text.split('\n').length - 1, imports, impure, waits };
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
    return node.moduleReference.expression;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return node.arguments[0];
  // new URL('./worker.ts', import.meta.url): how a worker's file is named
  if (ts.isNewExpression(node) && node.expression.getText() === 'URL' && node.arguments?.length === 2) {
    const first = node.arguments[0];
    return first !== undefined && ts.isStringLiteralLike(first) && /\.[jt]s$/.test(first.text) ? first : undefined;
  }
  return undefined;
}

/** False where the name is only a property, a parameter, a key: `x.process()`, `{ Date: 1 }`. */
function isGlobalUse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node)
    return parent.expression.getText() === 'globalThis';
  if (ts.isQualifiedName(parent) && parent.right === node) return false;
  const named = parent as ts.Node & { name?: ts.Node; propertyName?: ts.Node };
  return named.name !== node && named.propertyName !== node;
}

function sourceFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}
