/**
 * Runs the tests: `npm run test:only [-- WORD...]`. With words, only the files whose path holds one of them.
 *
 * node's own runner does the work; this file finds the files (node 20 expands no patterns), starts the long ones
 * first, holds the rule on skips and prints the runner's summary last.
 *
 * RESYM_EXPECTED_SKIPS, when set, makes a skip that is not expected a failure: a comma-separated list of words, one
 * of which must occur in "file: test (reason)"; the empty list expects none. Unset, every skip is fine.
 * RESYM_TEST_TIMEOUT bounds one file, in seconds (on node 24, one test). RESYM_TEST_CONCURRENCY is the number of files under way at once.
 */
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const DEFAULT_FILE_SECONDS = 1800; // the restore test on a cold cache builds some fifty Go programs first
const DEFAULT_CONCURRENCY = 2; // what the smallest machines have; more files at once only blur the time limits in tests
const LONG = ['restore', 'oracle', 'live', 'fuzz', 'hostile']; // longest first: they decide how long a run takes

const words = process.argv.slice(2);
const files = testFiles(join(root, 'test')).filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
);
files.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
if (files.length === 0) {
  console.error(words.length === 0 ? 'no test file found' : `no test file's path holds ${words.join(' or ')}`);
  process.exit(1);
}

const skips = [];
const summary = [];
let failures = 0;
let tests = 0;

const events = run({
  files: files.map((file) => join(root, file)),
  concurrency: positive('RESYM_TEST_CONCURRENCY', DEFAULT_CONCURRENCY),
  timeout: positive('RESYM_TEST_TIMEOUT', DEFAULT_FILE_SECONDS) * 1000,
});

await print(events.compose(watch).compose(new spec()));
const unexpected = unexpectedSkips();
reportSkips();
for (const line of unexpected) console.log(`unexpected skip: ${line}`);
if (tests === 0) console.log('no test ran');
for (const line of summary) console.log(`# ${line}`);
process.exitCode = failures > 0 || unexpected.length > 0 || tests === 0 ? 1 : 0;

/** Passes the events on to the reporter, but for the runner's summary, which is printed at the very end. */
async function* watch(source) {
  for await (const event of source) {
    const { type, data } = event;
    if (
      type === 'test:diagnostic' &&
      data.nesting === 0 &&
      /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(data.message)
    ) {
      summary.push(data.message);
      continue;
    }
    if (type === 'test:fail' && data.todo === undefined) failures++;
    if (type === 'test:pass' || type === 'test:fail') tests++;
    if (type === 'test:pass' && data.skip !== undefined) {
      const file = data.file === undefined ? '' : relative(root, data.file).split(sep).join('/');
      skips.push({ file, name: data.name, reason: typeof data.skip === 'string' ? data.skip : 'no reason given' });
    }
    yield event;
  }
}

async function print(output) {
  for await (const chunk of output) process.stdout.write(chunk);
}

function unexpectedSkips() {
  const listed = process.env.RESYM_EXPECTED_SKIPS;
  if (listed === undefined) return [];
  const expected = listed
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  return skips
    .map(({ file, name, reason }) => `${file}: ${name} (${reason})`)
    .filter((line) => !expected.some((word) => line.includes(word)));
}

/** What this machine could not test, by reason. */
function reportSkips() {
  const counts = new Map();
  for (const { reason } of skips) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  for (const [reason, count] of [...counts].sort((a, b) => b[1] - a[1])) console.log(`skipped ${count}: ${reason}`);
}

/** Paths of all `*.test.ts` below `dir`, relative to the project, with forward slashes. */
function testFiles(dir) {
  const found = [];
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && entry.name !== 'fixtures') found.push(...testFiles(path));
    else if (entry.name.endsWith('.test.ts')) found.push(relative(root, path).split(sep).join('/'));
  }
  return found;
}

function rank(file) {
  const place = LONG.findIndex((word) => file.includes(word));
  return place === -1 ? LONG.length : place;
}

function positive(variable, fallback) {
  const value = Number(process.env[variable] ?? fallback);
  if (!(value > 0)) throw new Error(`${variable} must be a positive number, is ${process.env[variable]}`);
  return value;
}
