/**
 * /debug/pprof/symbol and /pprof/symbol: names for addresses, one per line.
 *
 *     POST 0x487a93+0x465e31        num_symbols: 1
 *     GET  ?0x487a93+0x465e31  ─►   0x487a93 main.step
 *                                   0x465e31 runtime.goexit
 *
 * pprof asks for locations without lines, and gives up on the whole profile when the answer is not 200. So whatever
 * happens, the answer is 200 with what is known; an address nobody knows has no line, and pprof keeps showing the
 * address. Each address is echoed as it was sent, and the last line ends in "\n", or pprof would not read it.
 */
import type { Request, Response } from 'express';
import { Deadline, LATE } from '../deadline.ts';
import { messageOf } from '../errors.ts';
import { fetchFrom } from '../source/fetch.ts';
import type { Target } from '../source/target.ts';
import { readRequestBody } from './body.ts';
import { GRACE_MS } from './enrich.ts';
import { exchangeOf } from './exchange.ts';
import { GPERFTOOLS_PATH, PPROF_PATH, splitUrl } from './prefix.ts';
import type { ProxyContext } from './proxy.ts';

/** Last path elements of symbol requests: pprof takes the second where the profile's URL is not below /debug/pprof. */
export const SYMBOL_PATHS = new Set(
  ['', PPROF_PATH, GPERFTOOLS_PATH].flatMap((root) => [`${root}/symbol`, `${root}/symbolz`]),
);

/** The target itself may know what the archive does not; it gets this long, ms. */
const ASK_TARGET_MS = 1000;
/** Addresses in one GET, some 6 KB of URL: what every server takes. (Go's own refuses POST since 1.22.) */
const ASK_TARGET_BATCH = 400;
const ASK_TARGET_MAX = 4000;
const MAX_TARGET_ANSWER = 1024 * 1024;

/** Serves GET, HEAD and POST. `target` is null where none is meant: then nothing is known. */
export async function serveSymbol(
  context: ProxyContext,
  target: Target | null,
  req: Request,
  res: Response,
): Promise<void> {
  const text =
    req.method === 'POST'
      ? (await readRequestBody(req, context.limits.maxSymbolBytes)).toString('latin1')
      : splitUrl(req.url).query.slice(1);
  const asked = parseAddresses(text);
  let names: readonly (string | null)[] = [];
  const root = req.url.startsWith(`${GPERFTOOLS_PATH}/`) ? GPERFTOOLS_PATH : PPROF_PATH;
  if (target !== null && asked.length > 0) names = await namesOf(context, target, root, asked, res);
  const lines = asked.flatMap(({ text }, i) => (names[i] ? [`${text} ${oneLine(names[i])}\n`] : []));
  const answer = Buffer.from(`num_symbols: 1\n${lines.join('')}`);
  const exchange = exchangeOf(res);
  exchange.bytes += answer.length;
  res.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': answer.length,
  });
  res.end(answer);
}

interface Asked {
  /** As it was sent. */
  readonly text: string;
  readonly address: bigint;
}

/** "0x487a93+0x465e31"; the plus may come percent-encoded. Everything else is passed over, as Go does. */
export function parseAddresses(text: string): Asked[] {
  return text
    .replace(/%2b/gi, '+')
    .split(/[+\s]/)
    .filter((word) => /^0x[0-9a-f]{1,16}$/i.test(word))
    .map((word) => ({ text: word, address: BigInt(word) }));
}

async function namesOf(
  { resymbolizer, symbols, limits }: ProxyContext,
  target: Target,
  root: string,
  asked: readonly Asked[],
  res: Response,
): Promise<(string | null)[]> {
  const exchange = exchangeOf(res);
  const addresses = asked.map(({ address }) => address);
  let names: (string | null)[] = addresses.map(() => null);
  const mappings = symbols.recall(target.name, addresses);
  if (mappings.length > 0) {
    try {
      const deadline = performance.now() + limits.budgetMs;
      const known = await new Deadline(deadline + GRACE_MS).race(
        resymbolizer.symbolNames(mappings, addresses, { deadline, signal: exchange.signal }),
      );
      if (known !== LATE) names = known;
    } catch (error) {
      exchange.signal.throwIfAborted();
      exchange.defect(error);
    }
  }
  const unknown = addresses.filter((_, i) => !names[i]);
  if (unknown.length === 0) return names;
  const told = await askTarget(target, root, unknown, exchange.signal, (problem) => (exchange.error = problem));
  return addresses.map((address, i) => names[i] || (told.get(address) ?? null));
}

/**
 * What the target says of addresses; as much as it says in time. Go takes them in the URL (and no POST since 1.22), gperftools'
 * handlers in the body.
 */
async function askTarget(
  target: Target,
  root: string,
  addresses: readonly bigint[],
  signal: AbortSignal,
  onProblem: (problem: string) => void,
): Promise<Map<bigint, string>> {
  const told = new Map<bigint, string>();
  const cancel = new AbortController();
  const stop = (): void => cancel.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => cancel.abort(new Error('it took too long')), ASK_TARGET_MS);
  try {
    for (let from = 0; from < Math.min(addresses.length, ASK_TARGET_MAX); from += ASK_TARGET_BATCH) {
      const batch = addresses.slice(from, from + ASK_TARGET_BATCH);
      const list = batch.map((address) => `0x${address.toString(16)}`).join('+');
      const response = await fetchFrom(target, {
        ...(root === PPROF_PATH
          ? { method: 'GET' as const, path: `${root}/symbol?${list}` }
          : { method: 'POST' as const, path: `${root}/symbol`, body: Buffer.from(list) }),
        silenceMs: ASK_TARGET_MS,
        signal: cancel.signal,
      });
      if (response.status !== 200) {
        response.discard();
        break;
      }
      let text = '';
      for await (const chunk of response.chunks) {
        text += Buffer.from(chunk).toString('latin1');
        if (text.length > MAX_TARGET_ANSWER) break;
      }
      const names = Buffer.from(text, 'latin1').toString('utf8');
      for (const [, address, name] of names.matchAll(/^(0x[0-9a-f]{1,16})[ \t]+(\S.*)$/gim))
        told.set(BigInt(address), name.trimEnd());
    }
  } catch (error) {
    onProblem(`the target could not be asked for symbols: ${messageOf(error)}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
  return told;
}

function oneLine(name: string): string {
  return name.replace(/[\r\n]+/g, ' ');
}
