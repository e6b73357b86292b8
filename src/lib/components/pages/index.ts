// The pages of the dashboard, for the routes of an app: docs/library.md says how.

export { default as AccessPage } from './AccessPage.svelte';
export { default as BackupPage } from './BackupPage.svelte';
export { default as LogPage } from './LogPage.svelte';
export { default as RetentionPage } from './RetentionPage.svelte';
export { default as RunPage } from './RunPage.svelte';
export { default as StatusPage } from './StatusPage.svelte';
