/** `resym token`: a new token, and what the configuration must say of it. */
import { createHash, randomBytes } from 'node:crypto';
import { SCOPES, type Scope } from '../config.ts';
import { UsageError } from './usage.ts';

export interface TokenOptions {
  readonly name: string;
  readonly scopes: string;
}

/** 256 bits: nobody guesses it, so its plain hash gives nothing away. */
const BYTES = 32;

export function makeToken({ name, scopes }: TokenOptions): void {
  const wanted = scopes.split(',').filter(Boolean);
  const unknown = wanted.find((scope) => !SCOPES.includes(scope as Scope));
  if (unknown !== undefined || wanted.length === 0)
    throw new UsageError(`--scopes wants some of ${SCOPES.join(',')}, not ${JSON.stringify(unknown ?? '')}`);
  if (!/^[\w.-]{1,64}$/.test(name)) throw new UsageError('--name wants letters, digits, . _ -');
  const token = `resym_${randomBytes(BYTES).toString('base64url')}`;
  const sha256 = createHash('sha256').update(token).digest('hex');
  process.stderr.write(
    `The token is on standard output, this once. In resym.yaml:\n\n` +
      `auth:\n  tokens:\n    - name: ${name}\n      sha256: ${sha256}\n      scopes: [${wanted.join(', ')}]\n\n` +
      `or in the environment: RESYM_AUTH_TOKENS=${name}:${sha256}:${wanted.join('+')}\n`,
  );
  process.stdout.write(`${token}\n`);
}
