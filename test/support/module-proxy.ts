/** A directory that the go command takes for a module proxy (GOPROXY protocol): dependencies without a network. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';

/** Publishes a module; gives the environment in which `go` finds it. Paths and versions with upper case are escaped as the protocol wants. */
export function publishModule(
  dir: string,
  path: string,
  version: string,
  files: Readonly<Record<string, string>>,
): Record<string, string> {
  const escape = (text: string): string => text.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
  const at = join(dir, escape(path), '@v');
  mkdirSync(at, { recursive: true });
  const name = join(at, escape(version));
  writeFileSync(`${name}.info`, JSON.stringify({ Version: version, Time: '2026-01-01T00:00:00Z' }));
  writeFileSync(`${name}.mod`, files['go.mod']);
  const entries = Object.entries(files).map(([file, text]) => [`${path}@${version}/${file}`, text] as const);
  writeFileSync(`${name}.zip`, zip(entries));
  return { GOPROXY: pathToFileURL(dir).href, GOSUMDB: 'off', GOFLAGS: '-mod=mod -modcacherw' };
}

/** A zip archive of stored files (APPNOTE 4.3). */
function zip(files: readonly (readonly [name: string, text: string])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of files) {
    const [nameBytes, content] = [Buffer.from(name), Buffer.from(text)];
    // Version needed, flags, method, time, date, CRC, both sizes, lengths of name and extra field: the same in both headers.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, nameBytes, content]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, rest, nameBytes);
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}
