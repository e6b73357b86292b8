import { authorize } from '$accounts/administrators';
import { lifeboat } from '$lib';

/** Lifeboat as this app mounts it. */
export const backups = lifeboat({ authorize });
