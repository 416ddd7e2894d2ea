/** The kinds of places an archive may lie in, for tests of what all have in common. */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { openStore } from '../../src/open-store.ts';
import type { StoredBinary, SymbolStore } from '../../src/store/store.ts';
import { hostBuckets } from '../../src/workers/bucket-host.ts';
import { needsS3, S3Server } from '../support/s3-server.ts';
import { place } from './samples.ts';

/** An archive, and what lies in it behind its back. */
export interface Shop {
  readonly store: SymbolStore;
  /** Names of all that is kept, but for caches. */
  names(): string[];
  read(name: string): Buffer;
  /** As a disk, or an older program, may change it. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  drop(name: string): Promise<void>;
  /** The same place as another process finds it. */
  readonly again: () => Promise<SymbolStore>;
  /** As if a binary had been added, and not used since, so many days ago. */
  age(binary: StoredBinary, days: number): Promise<void>;
}

export interface Kind {
  readonly name: string;
  readonly skip: string | false;
  /** A new one, empty. */
  readonly open: () => Promise<Shop>;
}

const DAY_MS = 86_400_000;

function namesBelow(root: string): string[] {
  if (!fs.existsSync(root)) return [];
  return (fs.readdirSync(root, { recursive: true }) as string[])
    .filter((path) => fs.lstatSync(join(root, path)).isFile())
    .filter((path) => !/^\.resym\/(?:catalog|changed|used|incoming)|^\.sgwtmp/.test(path))
    .sort();
}

function aged(facts: Buffer, days: number): Buffer {
  const at = new Date(Date.now() - days * DAY_MS).toISOString();
  return Buffer.from(facts.toString('utf8').replace(/"addedAt": "[^"]*"/, `"addedAt": "${at}"`));
}

const directory: Kind = {
  name: 'a directory',
  skip: false,
  open: async () => {
    const root = place();
    const store = await openStore(root, { create: true, lookAgainMs: 0 });
    const write = (name: string, bytes: Uint8Array): Promise<void> => {
      const path = join(root, name);
      const before = fs.statSync(path, { throwIfNoEntry: false });
      fs.mkdirSync(dirname(path), { recursive: true });
      fs.writeFileSync(path, bytes);
      if (before !== undefined) fs.utimesSync(path, before.mtime, before.mtime);
      fs.rmSync(join(root, '.resym/catalog.json'), { force: true });
      return Promise.resolve();
    };
    return {
      store,
      names: () => namesBelow(root),
      read: (name) => fs.readFileSync(join(root, name)),
      write,
      drop: (name) => Promise.resolve(fs.rmSync(join(root, name))),
      again: () => openStore(root, { lookAgainMs: 0 }),
      age: async ({ path }, days) => {
        const facts = `${path}.json`;
        await write(facts, aged(fs.readFileSync(join(root, facts)), days));
        const at = new Date(Date.now() - days * DAY_MS);
        fs.utimesSync(join(root, facts), at, at);
      },
    };
  },
};

let server: Promise<S3Server> | null = null;
let shops = 0;

/** The server of this file's tests, to which this process's environment leads. */
export async function s3Server(): Promise<S3Server> {
  server ??= S3Server.start().then((started) => {
    Object.assign(process.env, started.env);
    hostBuckets(new URL('../workers/thread.mjs', import.meta.url));
    return started;
  });
  return server;
}

const bucket: Kind = {
  name: 'a bucket',
  skip: needsS3,
  open: async () => {
    const s3 = await s3Server();
    const prefix = `shop-${shops++}`;
    const root = join(s3.directory, prefix);
    // Another directory for what is kept is another machine.
    const { BucketStore } = await import('../../src/bucket/bucket.ts');
    const again = (): Promise<SymbolStore> =>
      BucketStore.open(s3.place(prefix), { lookAgainMs: 0, cache: place('cache') });
    const { S3Objects } = await import('../../src/bucket/s3.ts');
    const { parseLocation } = await import('../../src/bucket/location.ts');
    const objects = new S3Objects(parseLocation(s3.place(prefix)), process.env);
    const changed = async (): Promise<void> => {
      await objects.put('.resym/changed', Buffer.from(`${Math.random()}`));
    };
    return {
      store: await again(),
      names: () => namesBelow(root),
      read: (name) => fs.readFileSync(join(root, name)),
      write: async (name, bytes) => {
        await objects.put(name, bytes);
        await changed();
      },
      drop: async (name) => {
        await objects.remove(name);
        await changed();
      },
      again,
      age: async ({ path, key }, days) => {
        const facts = `${path}.json`;
        await objects.put(facts, aged(fs.readFileSync(join(root, facts)), days));
        const used = join(root, '.resym/used', key);
        const at = new Date(Date.now() - days * DAY_MS);
        if (fs.existsSync(used)) fs.utimesSync(used, at, at);
        await changed();
      },
    };
  },
};

export const KINDS: readonly Kind[] = [directory, bucket];
