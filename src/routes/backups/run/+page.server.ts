import { backups } from '../../../backups.server';
import type { Actions, PageServerLoad } from './$types';
import { answerAndReturn } from '../answers.server';

const { dashboard } = backups;

export const load: PageServerLoad = (event) => dashboard.run(event);

export const actions: Actions = {
	/** Starts nothing: with script the page starts the backup and follows it, without script its button does. */
	async begin(event) {
		await backups.requireOrigin(event);
		return { at: 'begin' };
	},
	start: (event) => answerAndReturn(event, 'start', () => dashboard.start(event)),
	proceed: (event) => answerAndReturn(event, 'proceed', () => dashboard.proceed(event)),
};
