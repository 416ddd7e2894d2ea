import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MappingRecord } from '../../src/profile/profile.ts';
import { flagsFor, type MappingOutcome } from '../../src/rewrite/flags.ts';

const record = (part: Partial<MappingRecord> = {}): MappingRecord =>
  ({
    hasFunctions: false,
    hasFilenames: false,
    hasLineNumbers: false,
    hasInlineFrames: false,
    ...part,
  }) as MappingRecord;

const outcome = (part: Partial<MappingOutcome> = {}): MappingOutcome => ({
  locations: 10,
  named: 10,
  hasFilenames: true,
  hasLineNumbers: true,
  hasInlineFrames: true,
  changed: 3,
  verified: true,
  ...part,
});

describe('flags of a mapping', () => {
  it('all named: everything the data holds', () => {
    const all = { functions: true, filenames: true, lineNumbers: true, inlineFrames: true };
    assert.deepEqual(flagsFor(record(), outcome()), all);
    assert.deepEqual(flagsFor(record(), outcome({ hasInlineFrames: false })), { ...all, inlineFrames: false });
  });

  it('some named: files and lines only, so that others may still fill the rest', () => {
    const some = { functions: false, filenames: true, lineNumbers: true, inlineFrames: false };
    assert.deepEqual(flagsFor(record(), outcome({ named: 7 })), some);
  });

  it('nothing resolved: as received', () => {
    assert.equal(flagsFor(record(), outcome({ changed: 0, named: 7 })), null);
    assert.equal(flagsFor(record(), outcome({ changed: 0, verified: false })), null);
  });

  it('protects a wholly named mapping that nobody flagged, once its binary is proven', () => {
    assert.equal(flagsFor(record(), outcome({ changed: 0 }))?.functions, true);
    assert.equal(flagsFor(record({ hasFunctions: true }), outcome({ changed: 0 })), null);
  });

  it('never sets what is set', () => {
    const flagged = record({ hasFunctions: true, hasFilenames: true, hasLineNumbers: true, hasInlineFrames: true });
    assert.equal(flagsFor(flagged, outcome()), null);
  });
});
