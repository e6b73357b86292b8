import { backups } from '../../../backups.server';
import type { Actions, PageServerLoad } from './$types';
import { answer } from '../answers.server';

export const load: PageServerLoad = (event) => backups.dashboard.retention(event);

export const actions: Actions = {
	prune: (event) => answer('prune', () => backups.dashboard.prune(event)),
};
