import type { Response } from 'express';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** RFC 9110, 7.6.1: they speak of one connection. What Connection names is added. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** They speak of the very bytes the target sent. */
const OF_THE_BYTES = [
  'accept-ranges',
  'content-digest',
  'content-encoding',
  'content-length',
  'content-md5',
  'digest',
  'etag',
  'last-modified',
  'repr-digest',
];

/** Copies a target's headers, but for those of its connection and `without`. */
export function copyHeaders(headers: Headers, res: Response, without: readonly string[] = []): void {
  const named = String(headers['connection'] ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const dropped = new Set([...HOP_BY_HOP, ...named, ...without]);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !dropped.has(name)) res.setHeader(name, printable(value));
  }
}

/** For a profile that may differ from what was sent. */
export function copyProfileHeaders(headers: Headers, res: Response): void {
  copyHeaders(headers, res, OF_THE_BYTES);
  res.setHeader('Content-Type', 'application/octet-stream');
  res.setHeader('X-Content-Type-Options', 'nosniff');
}

/** The first value of a header. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Node refuses to send control characters; a target's parser may have let them in. */
function printable(value: string | string[]): string | string[] {
  return Array.isArray(value) ? value.map(printableOne) : printableOne(value);
}

function printableOne(value: string): string {
  return value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
}
