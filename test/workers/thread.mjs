/** thread.ts for a thread that loads sources: tsx does not do so by itself in threads. */
import { register } from 'tsx/esm/api';

register();
await import('../../src/workers/thread.ts');
