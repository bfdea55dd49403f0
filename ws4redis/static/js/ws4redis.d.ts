/** The type of the global that ws4redis.js defines; for the module see ws4redis.esm.d.ts. */

import type { Options, WS4Redis as Class } from './ws4redis.esm.js';

declare global {
  /** `new` may be left out. */
  const WS4Redis: typeof Class & ((options: Options, $?: unknown) => Class);
  type WS4Redis = Class;
}
