import { backups } from '../../backups.server';
import type { Actions, PageServerLoad } from './$types';
import { answerAndReturn } from './answers.server';

const { dashboard } = backups;

export const load: PageServerLoad = (event) => dashboard.status(event);

export const actions: Actions = {
	start: (event) => answerAndReturn(event, 'start', () => dashboard.start(event)),
	proceed: (event) => answerAndReturn(event, 'proceed', () => dashboard.proceed(event)),
};
