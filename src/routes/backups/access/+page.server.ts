import { backups } from '../../../backups.server';
import type { Actions, PageServerLoad } from './$types';
import { answer } from '../answers.server';

export const load: PageServerLoad = (event) => backups.dashboard.access(event);

export const actions: Actions = {
	lift: (event) => answer('lift', () => backups.dashboard.lift(event)),
};
