// The entry of this app as a Worker (wrangler.worker.toml); as Pages it has none but SvelteKit's own.
import app from './.svelte-kit/cloudflare/_worker.js';
import { backups } from './src/backups.server.ts';
import { backupWorkflow } from './src/lib/workflow.ts';

export const BackupWorkflow = backupWorkflow(backups);

export default { fetch: app.fetch, scheduled: backups.scheduled };
