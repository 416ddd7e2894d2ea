import { Agent } from 'undici';

export { request } from 'undici';

/** The connections to one target. A file of its own, so that undici is loaded with the first request and not with the configuration. */
export function connections(options: Agent.Options): Agent {
  return new Agent(options);
}
