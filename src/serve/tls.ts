/** The server's certificate: read from files, and read again when they change. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { TlsConfig } from '../config.ts';
import { messageOf } from '../errors.ts';
import { ConfigError } from '../flags.ts';

/** Renewed certificates are valid for days before the old ones end. */
const LOOK_MS = 5000;

export class ServerCertificate {
  readonly #config: TlsConfig;
  readonly #lookMs: number;

  constructor(config: TlsConfig, lookMs = LOOK_MS) {
    this.#config = config;
    this.#lookMs = lookMs;
  }

  /** What the files hold now. Throws ConfigError when that is no certificate with its key. */
  read(): SecureContextOptions {
    const { cert, key, clientCa } = this.#config;
    const options: SecureContextOptions = {
      cert: read('cert', cert),
      key: read('key', key),
      ...(clientCa !== undefined && { ca: read('clientCa', clientCa) }),
      minVersion: 'TLSv1.2',
    };
    try {
      createSecureContext(options);
      if (clientCa !== undefined) mustHoldCertificates(String(options.ca));
    } catch (cause) {
      throw new ConfigError(
        `tls: ${cert}, ${key}${clientCa === undefined ? '' : `, ${clientCa}`} cannot be used: ${messageOf(cause)}`,
        { cause },
      );
    }
    return options;
  }

  /**
   * A server with it, which takes up what changes in the files; `onBad` is called when that cannot be used. With a CA for clients they
   * are asked for a certificate; who has none may have a token. Throws ConfigError as `read` does.
   */
  createServer(options: ServerOptions, onBad: (error: Error) => void): { server: Server; stop: () => void } {
    const { cert, key, clientCa } = this.#config;
    const client = { requestCert: clientCa !== undefined, rejectUnauthorized: false };
    const server = createServer({ ...options, ...client, ...this.read() });
    const look = (): void => {
      try {
        server.setSecureContext(this.read());
      } catch (error) {
        onBad(error instanceof Error ? error : new Error(String(error))); // between two writes they do not fit
      }
    };
    const files = [cert, key, ...(clientCa === undefined ? [] : [clientCa])];
    for (const file of files) watchFile(file, { interval: this.#lookMs, persistent: false }, look);
    const stop = (): void => {
      for (const file of files) unwatchFile(file, look);
    };
    return { server, stop };
  }
}

/** Node takes anything for a list of authorities, and then trusts none. */
function mustHoldCertificates(pem: string): void {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('the authorities of clients are no certificates');
  for (const block of blocks) new X509Certificate(block);
}

function read(what: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ConfigError(`tls.${what}: ${messageOf(cause)}`, { cause });
  }
}
