import { backups } from '../../../backups.server';
import type { Actions, PageServerLoad } from './$types';
import { answer } from '../answers.server';

const { dashboard } = backups;

export const load: PageServerLoad = (event) => dashboard.backup(event, event.params.name);

export const actions: Actions = {
	verify: (event) => answer('verify', () => dashboard.verify(event, event.params.name)),
	drill: (event) => answer('drill', () => dashboard.drill(event, event.params.name)),
	pin: (event) => answer('pin', () => dashboard.pin(event, event.params.name)),
	unpin: (event) => answer('unpin', () => dashboard.unpin(event, event.params.name)),
	remove: (event) => answer('remove', () => dashboard.remove(event, event.params.name)),
	unmark: (event) => answer('unmark', () => dashboard.unmark(event, event.params.name)),
};
