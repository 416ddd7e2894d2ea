/** What resym's threads run: thread.ts, or what is built of it. By its room, since what is built of this file lies in another. */
export const THREAD_FILE = new URL(
  `../workers/thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);
