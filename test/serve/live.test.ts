/** Through an engine that changes nothing: what the server itself may not disturb. */
import { FakeEngine } from './harness.ts';
import { liveTests } from './live.ts';

liveTests('no engine', () => new FakeEngine());
