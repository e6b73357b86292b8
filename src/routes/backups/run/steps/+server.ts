import { backups } from '../../../../backups.server';
import { respond } from '../../answers.server';
import type { RequestHandler } from './$types';

export const POST: RequestHandler = (event) => respond(() => backups.dashboard.stream(event));
