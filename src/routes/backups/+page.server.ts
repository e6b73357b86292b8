import { backups } from '../../backups.server';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = (event) => backups.dashboard.status(event);
