/**
 * Clients that ask one after the other, each on a connection of its own that it keeps.
 *
 *   node clients.mjs URL CLIENTS SECONDS [OUTPUT]
 *
 * One JSON line: requests, errors, seconds, latencies in ms (p50, p90, p99, max), answers by Resym-Status. OUTPUT: the last body.
 */
import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { performance } from 'node:perf_hooks';

const [url, clients, seconds, output] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(clients) });
const until = performance.now() + Number(seconds) * 1000;
const latencies = [];
const statuses = {};
const failures = {};
let errors = 0;
let last = null;

function ask() {
  return new Promise((done, failed) => {
    const request = get(url, { agent, headers: { 'Accept-Encoding': 'gzip' } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', failed);
      response.on('end', () => {
        const [status] = (response.headers['resym-status'] ?? 'none').split(';');
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (response.statusCode !== 200) return failed(new Error(`HTTP ${response.statusCode}`));
        last = Buffer.concat(parts);
        done();
      });
    });
    request.setTimeout(60_000, () => request.destroy(new Error('no answer in a minute')));
    request.on('error', failed);
  });
}

const began = performance.now();
await Promise.all(
  Array.from({ length: Number(clients) }, async () => {
    while (performance.now() < until) {
      const asked = performance.now();
      try {
        await ask();
        latencies.push(performance.now() - asked);
      } catch (error) {
        errors++;
        failures[error.message] = (failures[error.message] ?? 0) + 1;
        if (errors > 1000) break;
      }
    }
  }),
);
const took = (performance.now() - began) / 1000;
agent.destroy();
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? null;
if (output !== undefined && last !== null) writeFileSync(output, last);
const found = {
  requests: latencies.length,
  errors,
  seconds: took,
  p50: at(0.5),
  p90: at(0.9),
  p99: at(0.99),
  max: at(1),
};
process.stdout.write(`${JSON.stringify({ ...found, statuses, failures })}\n`);
