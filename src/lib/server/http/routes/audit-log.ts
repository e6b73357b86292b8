import * as v from 'valibot';
import { apiRoute } from '../route.ts';
import { readQuery } from '../input.ts';
import { auditLogStart } from '../../operations/index.ts';
import { AuditLogCursor, readAuditLog } from '../../operations/audit-log.ts';

const Page = v.object({
	before: v.optional(AuditLogCursor),
	limit: v.optional(
		v.pipe(v.string(), v.digits(), v.transform(Number), v.minValue(1), v.maxValue(500)),
		'50',
	),
});

/** The audit log, newest entries first. */
export const GET = apiRoute('journal', async (call) => {
	call.isAppWide = true;
	await call.admit();
	const page = readQuery(call.url, Page);
	const operations = call.operations();
	return Response.json(
		await readAuditLog(operations.auditLog, { ...page, since: auditLogStart(operations) }),
	);
});
