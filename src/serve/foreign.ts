/** Strings from profiles, targets and clients, made fit for where they are shown. */

/** For a header: printable ASCII, bounded. What is cut ends in "...". */
export function headerText(text: string, maxLength: number): string {
  const safe = text.replace(/\s+/g, ' ').replace(/[^\x20-\x7e]/g, '?');
  return safe.length <= maxLength ? safe : `${safe.slice(0, maxLength - 3)}...`;
}

/** For one line of text, a log or a terminal: control characters are shown, not obeyed; bounded. */
export function lineText(text: string, maxLength: number): string {
  // eslint-disable-next-line no-control-regex
  const safe = text.slice(0, maxLength + 1).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, escape);
  return safe.length <= maxLength ? safe : `${safe.slice(0, maxLength - 3)}...`;
}

/** For the log. */
export function loggedText(text: string): string {
  return lineText(text, MAX_LOGGED);
}

/** For HTML, in text and in quoted attributes. */
export function htmlText(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function escape(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Parameters of net/http/pprof: their values are no secrets. */
const PUBLIC_PARAMETERS = new Set(['seconds', 'debug', 'gc', 'hz', 'rate']);

/** What /symbol is asked: 0x452000+0x453000 */
const ADDRESSES = /^0x[0-9a-f]{1,16}(\+0x[0-9a-f]{1,16})*$/i;

/** A URL for the log: values of parameters nobody here knows may be tokens, and are left out. */
export function loggedUrl(url: string): string {
  const at = url.indexOf('?');
  if (at === -1) return lineText(url, MAX_LOGGED);
  const query = url
    .slice(at + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals === -1 ? pair : pair.slice(0, equals);
      if (PUBLIC_PARAMETERS.has(name)) return pair;
      if (equals !== -1) return `${name}=***`;
      return ADDRESSES.test(pair) ? pair.slice(0, MAX_LOGGED_ADDRESSES) : '***';
    });
  return lineText(`${url.slice(0, at)}?${query.join('&')}`, MAX_LOGGED);
}

const MAX_LOGGED = 500;
/** There may be thousands of them. */
const MAX_LOGGED_ADDRESSES = 80;
