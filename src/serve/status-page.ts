import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Target } from '../source/target.ts';
import { VERSION } from '../version.ts';
import { htmlText } from './foreign.ts';
import { PPROF_PATH } from './prefix.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { padding: .6rem .8rem; border: 1px solid #8886; border-radius: .3rem; overflow-x: auto; user-select: all; margin: .4rem 0; }
.note { opacity: .75; }
`;

/** No script at all, no other origin, and one style sheet: the one above. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What can be copied into a shell: no quotes, no spaces. */
const PLAIN_HOST = /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/;

/** The page at /: the targets, and the commands to look at them. */
export function serveStatusPage(targets: ReadonlyMap<string, Target>, defaultTarget: string | null) {
  return (req: Request, res: Response): void => {
    const host = req.get('host') ?? '';
    const scheme = req.get('x-forwarded-proto') === 'https' ? 'https' : 'http';
    const here = `${scheme}://${PLAIN_HOST.test(host) ? host : 'localhost:7070'}`;
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Referrer-Policy', 'no-referrer');
    res.setHeader('Cache-Control', 'no-store');
    res.end(render(here, targets, defaultTarget));
  };
}

function render(here: string, targets: ReadonlyMap<string, Target>, defaultTarget: string | null): string {
  const sections = [...targets.values()].map((target) => renderTarget(here, target, target.name === defaultTarget));
  const none = `<p>No targets. Start resym with <code>--target NAME=URL</code>, or name them in its configuration.</p>`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>resym</title><style>${STYLE}</style></head>
<body>
<h1>resym ${htmlText(VERSION)}</h1>
<p>Profiles of these services, with every frame named that the archive can name.</p>
${sections.length > 0 ? sections.join('\n') : none}
<h2>A profile you have saved</h2>
<pre>curl --data-binary @cpu.pb.gz ${here}/symbolize -o named.pb.gz</pre>
<pre>curl --data-binary @cpu.pb.gz ${here}/explain</pre>
<p class="note"><a href="metrics">metrics</a> · <a href="healthz">healthz</a> · <a href="readyz">readyz</a></p>
</body>
</html>
`;
}

function renderTarget(here: string, { name, label }: Target, isDefault: boolean): string {
  const mount = `targets/${name}${PPROF_PATH}`;
  const also = isDefault ? ` <span class="note">also at <a href="debug/pprof/">/debug/pprof/</a></span>` : '';
  return `<h2><a href="${htmlText(mount)}/">${htmlText(name)}</a></h2>
<p class="note">${htmlText(label)}${also}</p>
<pre>go tool pprof -http=: '${htmlText(`${here}/${mount}`)}/profile?seconds=10'</pre>
<pre>go tool pprof -http=: ${htmlText(`${here}/${mount}`)}/heap</pre>`;
}
