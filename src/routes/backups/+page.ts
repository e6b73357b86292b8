/**
 * The page comes whole from the server, and live.js is all its script. To hydrate it would take some 50 KB more,
 * mostly of SvelteKit and Svelte, for nothing that it does: a backup is followed on a page of its own.
 */
export const csr = false;
