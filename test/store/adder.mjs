/**
 * A process that adds files to a store, to be raced or killed: node adder.mjs ROOT FILE...
 * Says "ready", waits for a line, adds the files one after the other and prints each outcome. With DIE_BEFORE_CALL=N it
 * kills itself before its Nth call into the file system. Runs from dist/, as users do: started often, it must start fast.
 */
import { once } from 'node:events';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { DirectoryStore } from '../../dist/store/directory.js';

const [root, ...files] = process.argv.slice(2);
const dieBefore = Number(process.env.DIE_BEFORE_CALL ?? 0);
let calls = 0;

function mayDie(target, names) {
  for (const name of names) {
    const call = target[name].bind(target);
    target[name] = (...args) => {
      if (++calls === dieBefore) process.kill(process.pid, 'SIGKILL');
      const result = call(...args);
      return name === 'open'
        ? result.then((file) => mayDie(file, ['write', 'writeFile', 'sync', 'utimes', 'close']))
        : result;
    };
  }
  return target;
}

const store = await DirectoryStore.open(root, { create: true });
process.stdout.write('ready\n');
await once(process.stdin, 'data');
mayDie(fs, ['mkdir', 'open', 'link', 'symlink', 'rename', 'rm', 'readdir', 'readlink']);
syncBuiltinESMExports();
for (const file of files) {
  const { outcome, binary } = await store.add(file);
  process.stdout.write(`${JSON.stringify({ file, outcome, path: binary.path, problem: binary.problem, calls })}\n`);
}
process.exit(0);
