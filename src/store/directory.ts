/**
 * The store in a directory. The files are the truth; everything in memory is found again from them.
 *
 *   open ──► look (tree.ts) ──► known by facts ──────────────► catalog ──► find
 *                       └─────► unknown: waiting ──examine──►─┘
 *
 * Opening reads directories and recorded facts only. Files nobody has looked at yet are examined when an answer
 * depends on them: first those whose path claims the ID asked for, the others only before "not found" is said.
 */
import { realpathSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { prepareZstd } from '../bytes/inflate.ts';
import { isParseError, messageOf } from '../errors.ts';
import { Catalog, byRichness, compareText, hexIdsOf } from './catalog.ts';
import {
  type Entry,
  entryFromFacts,
  entryOfOtherSize,
  examineFile,
  factsFit,
  factsOf,
} from './entry.ts';
import { type Examine, examine, uselessness } from './examine.ts';
import { FACTS_SCHEMA, type Facts, parseFacts } from './facts.ts';
import { FileSource } from './file.ts';
import { hashFile } from './hash.ts';
import { copyIn, type Incoming, place, readFacts, settleAlias, sweepIncoming } from './ingest.ts';
import {
  displayName,
  FACTS_SUFFIX,
  filePath,
  idInPath,
  INCOMING_DIR,
  keyFromContent,
  keyFromIds,
  parseFilePath,
} from './layout.ts';
