import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GoBuild } from '../../src/match/identity.ts';
import { buildComments, docUrlOf, docUrlProblem, mayComment } from '../../src/rewrite/build-comments.ts';

const go: GoBuild = {
  version: 'go1.26.1',
  path: 'example.com/shop/cmd/api',
  main: { path: 'example.com/shop', version: 'v1.4.2' },
  settings: { 'vcs.revision': '1a2b3c', 'vcs.time': '2026-11-01T10:00:00Z', 'vcs.modified': 'true' },
};
const facts = { name: 'api', buildId: 'abcd', go };
const coverage = { nameable: 100, named: 98, byResym: 5 };

describe('comments on a build', () => {
  it('say version, revision, build ID and coverage, a line each', () => {
    assert.deepEqual(buildComments(facts, coverage), [
      'resym: go1.26.1, module example.com/shop v1.4.2',
      'resym: revision 1a2b3c of 2026-11-01T10:00:00Z, modified',
      'resym: build ID abcd',
      'resym: 98 of 100 locations named, 5 by resym',
    ]);
  });

  it('leave out what the build does not say', () => {
    const bare: GoBuild = { version: 'go1.15', path: 'command-line-arguments', main: null, settings: {} };
    assert.deepEqual(buildComments({ ...facts, buildId: '', go: bare }, coverage).slice(0, -1), [
      'resym: go1.15, module command-line-arguments',
    ]);
    assert.deepEqual(buildComments({ ...facts, go: null }, coverage)[0], 'resym: api');
  });

  it('are one line of printable text each, whatever the build info holds', () => {
    const text = `a\n\u001b[2J\u202e\u2028\ud800${'x'.repeat(10_000)}`;
    const hostile: GoBuild = {
      version: text,
      path: text,
      main: { path: text, version: text },
      settings: { 'vcs.revision': text, 'vcs.time': text, 'vcs.modified': text },
    };
    const all = { name: text, buildId: text, go: hostile };
    for (const go of [hostile, { ...hostile, main: null }, null]) {
      for (const line of buildComments({ ...all, go }, coverage)) {
        assert.ok(line.startsWith('resym: ') && line.length < 500, line);
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\u2028]/u);
      }
    }
    // Cut between the halves of a character.
    assert.doesNotMatch(buildComments({ ...facts, buildId: '\u{1f600}'.repeat(500) }, coverage)[2], /\p{Cs}/u);
  });

  it('are not added twice, nor beside Parca’s', () => {
    assert.equal(mayComment([]), true);
    assert.equal(mayComment(['deployed on Monday']), true);
    assert.equal(mayComment(['x', 'resym: go1.26.1']), false);
    assert.equal(mayComment(['executableInfo=1;2;3']), false);
  });
});

describe('a documentation URL', () => {
  it('has the build’s own values, encoded', () => {
    const template = 'https://git.example.com/{module}/tree/{revision}?v={version}&id={buildId}&go={goVersion}';
    assert.equal(
      docUrlOf(template, facts),
      'https://git.example.com/example.com/shop/tree/1a2b3c?v=v1.4.2&id=abcd&go=go1.26.1',
    );
    assert.equal(docUrlOf('https://x/{name}', { ...facts, name: 'a b&c' }), 'https://x/a%20b%26c');
  });

  it('is none where the build lacks a value, or it is no URL', () => {
    assert.equal(docUrlOf('https://x/{revision}', { ...facts, go: null }), '');
    assert.equal(docUrlOf('{name}', facts), '');
    const devel = { ...go, main: { path: 'example.com/shop', version: '(devel)' } };
    assert.equal(docUrlOf('https://x/{version}', { ...facts, go: devel }), '');
  });

  it('is none where the build’s value would lead elsewhere', () => {
    for (const path of ['../../admin', 'a/./b', 'a\nb', 'a\ud800', 'x'.repeat(201), `${'x'.repeat(199)}\u{1f600}`]) {
      const main = { path, version: 'v1' };
      assert.equal(docUrlOf('https://x/{module}', { ...facts, go: { ...go, main } }), '', path);
    }
    const main = { path: 'evil.example/?q#f@h:1\\', version: 'v1' };
    assert.equal(
      docUrlOf('https://x/{module}', { ...facts, go: { ...go, main } }),
      'https://x/evil.example/%3Fq%23f%40h%3A1%5C',
    );
    assert.equal(docUrlOf('https://{name}/', { ...facts, name: 'user@evil.example' }), '');
  });

  it('is checked when it is configured', () => {
    for (const template of ['https://x/{module}/{revision}', 'http://{module}/', 'https://x/doc', '']) {
      assert.equal(docUrlProblem(template), '', template);
    }
    assert.match(docUrlProblem('https://x/{commit}'), /\{commit\} stands for nothing; known are \{name\}/);
    for (const name of ['toString', 'constructor', '__proto__', '', 'Module']) {
      assert.match(docUrlProblem(`https://x/{${name}}`), /stands for nothing/);
    }
    for (const template of ['https://x/{module', 'https://x/module}', 'https://x/{{module}}']) {
      assert.match(docUrlProblem(template), /brace without its partner/);
    }
    for (const template of [
      ...['{module}', '/x/{module}', 'ftp://x/{module}', 'http:x', 'https:///x', 'https://x:{version}/', 'https://'],
      ...[' https://x/', 'https://x/a b', 'https://x/\n', 'https://x/%zz', 'https://x\\y'],
    ]) {
      assert.match(docUrlProblem(template), /no http or https URL/, template);
    }
  });
});
