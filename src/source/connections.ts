import type { Socket } from 'node:net';
import { Agent, buildConnector } from 'undici';

export { request } from 'undici';

/**
 * Connections to one server. A file of its own, so that undici is loaded with the first request and not with the configuration.
 *
 * undici 7, the last for Node 20, throws where nobody can catch it when a connection ends whose answer is being read slowly
 * (nodejs/undici#5360): a target that closes while a client takes its time would end resym. Such an end is held back until the rest is read.
 */
export function connections({ connect, ...options }: Agent.Options): Agent {
  const connector = typeof connect === 'function' ? connect : buildConnector({ ...connect });
  return new Agent({
    ...options,
    connect: (target, done) =>
      connector(target, (...[error, socket]) => {
        if (error !== null) return done(error, null);
        holdEndBack(socket);
        done(null, socket);
      }),
  });
}

const LOOK_AGAIN_MS = 10;

function holdEndBack(socket: Socket): void {
  socket.allowHalfOpen = true; // what is left cannot be read of a socket that closes itself at its end
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...args: unknown[]) => boolean;
  socket.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    const parser = parserOf(socket);
    if (parser?.paused !== true) return emit(event, ...args);
    // Broken off: the rest will not come, and the answer ends with an error.
    if (event === 'error' || event === 'close') parser.paused = false;
    if (event !== 'end') return emit(event, ...args);
    const wait = setInterval(() => {
      if (parser.paused && !socket.destroyed) return;
      clearInterval(wait);
      if (!socket.destroyed) emit(event, ...args);
    }, LOOK_AGAIN_MS);
    return true;
  };
}

/** undici's parser of the connection's answers. */
function parserOf(socket: Socket): { paused: boolean } | null {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'parser');
  return symbol === undefined ? null : (socket as unknown as Record<symbol, { paused: boolean } | null>)[symbol];
}
