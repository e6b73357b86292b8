/** Where wrangler keeps the embedded D1 and R2 by default (wrangler: --persist-to). */
export const STATE = '.wrangler/state';
