import type { RequestHandler } from 'express';
import { VERSION } from '../version.ts';
import type { Exchange } from './exchange.ts';

type Labels = Readonly<Record<string, string | number>>;

/** Sums and counts in Prometheus' text format. Label values are our own words, target names and status codes: a bounded set. */
export class Metrics {
  readonly #families = new Map<string, Map<string, number>>();
  readonly #startedAt = Date.now() / 1000;

  /** Counts a finished exchange. */
  exchange(exchange: Exchange, status: number, ms: number): void {
    const { route, target, resymStatus, upstreamError, timings } = exchange;
    this.#add('resym_http_requests_total', { route, target: target ?? '', code: status });
    this.#observe('resym_http_request_seconds', { route }, ms / 1000);
    if (target !== null && resymStatus !== null) this.#add('resym_profiles_total', { target, status: resymStatus });
    if (target !== null && upstreamError !== null)
      this.#add('resym_upstream_errors_total', { target, error: upstreamError });
    for (const timing of timings) this.#observe('resym_stage_seconds', { stage: timing.stage }, timing.ms / 1000);
  }

  render(): string {
    const lines: string[] = [];
    for (const [name, help, type] of FAMILIES) {
      const series = [...this.#families].filter(([key]) => key === name || (type === 'summary' && isPart(key, name)));
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const [key, values] of series) for (const [labels, value] of values) lines.push(`${key}${labels} ${value}`);
    }
    lines.push(
      '# HELP resym_build_info The running version.',
      '# TYPE resym_build_info gauge',
      `resym_build_info${render({ version: VERSION })} 1`,
      '# HELP process_start_time_seconds Start time of the process, seconds since 1970.',
      '# TYPE process_start_time_seconds gauge',
      `process_start_time_seconds ${this.#startedAt}`,
      '# HELP process_resident_memory_bytes Resident memory.',
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    );
    return `${lines.join('\n')}\n`;
  }

  #observe(name: string, labels: Labels, value: number): void {
    this.#add(`${name}_sum`, labels, value);
    this.#add(`${name}_count`, labels);
  }

  #add(name: string, labels: Labels, by = 1): void {
    const family = this.#families.get(name) ?? new Map<string, number>();
    this.#families.set(name, family);
    const key = render(labels);
    family.set(key, (family.get(key) ?? 0) + by);
  }
}

/** Name, help, type, in the order they are printed. */
const FAMILIES = [
  ['resym_http_requests_total', 'Requests answered.', 'counter'],
  ['resym_http_request_seconds', 'Time from request to the last byte of the answer.', 'summary'],
  ['resym_profiles_total', 'Profiles passed on, by what became of them.', 'counter'],
  ['resym_upstream_errors_total', 'Requests a target did not answer as it should.', 'counter'],
  ['resym_stage_seconds', 'Time spent per stage of a profile.', 'summary'],
] as const;

/** GET /metrics. */
export function serveMetrics(metrics: Metrics): RequestHandler {
  return (_req, res) => {
    res.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8');
    res.end(metrics.render());
  };
}

function isPart(key: string, name: string): boolean {
  return key === `${name}_sum` || key === `${name}_count`;
}

function render(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
