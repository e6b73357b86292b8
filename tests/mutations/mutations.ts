import { budget } from './budget.ts';
import type { Mutation } from './mutation.ts';

const BACKUP = 'src/lib/server/backup';
const ACCESS = 'src/lib/server/access';
const STEPS = ['tests/properties/steps.test.ts', 'tests/properties/tickets.test.ts'];
const ROUNDTRIP = 'tests/properties/roundtrip.test.ts';
const PAGES = `${BACKUP}/dump/pages.test.ts`;

const dump: Mutation[] = [
	{
		title: 'the fence ignores the number of changes',
		file: `${BACKUP}/dump/reader.ts`,
		right: 'if (changes !== this.#changes) throw new SnapshotChanged();',
		wrong: '',
		tests: [`${BACKUP}/dump/reader.test.ts`, 'tests/properties/snapshot.test.ts'],
	},
	{
		title: 'the fence never requires the bookmark',
		file: `${BACKUP}/dump/reader.ts`,
		right: 'if (this.#needsBookmark && bookmark !== this.#bookmark) throw new SnapshotChanged();',
		wrong: '',
		tests: [`${BACKUP}/dump/reader.test.ts`],
	},
	{
		title: 'the schema is not compared at the end',
		file: `${BACKUP}/dump/unchanged.ts`,
		right: 'if (identityOf(schema?.results ?? []) !== identity) throw new SnapshotChanged();',
		wrong: 'void schema; void identity; void identityOf;',
		tests: [`${BACKUP}/dump/unchanged.test.ts`],
	},
	{
		title: 'a carriage return is not special',
		file: `${BACKUP}/dump/literals.ts`,
		right: 'OR instr(${column},char(13))OR instr',
		wrong: 'OR instr',
		tests: [ROUNDTRIP],
	},
	{
		title: 'a NUL in a text is not special',
		file: `${BACKUP}/dump/literals.ts`,
		right: 'return `instr(${column},char(0))`;',
		wrong: "return `instr(${column},'no such text')`;",
		tests: [ROUNDTRIP],
	},
	{
		title: 'every double has 15 digits',
		file: `${BACKUP}/dump/literals.ts`,
		right: 'WHEN ${short} OR ${whole} THEN',
		wrong: 'WHEN abs(${column})<9e999 OR ${short} OR ${whole} THEN',
		tests: [`${BACKUP}/dump/literals.test.ts`],
	},
	{
		title: 'infinity loses its sign',
		file: `${BACKUP}/dump/literals.ts`,
		right: "iif(${column}>0,'9e999','-9e999')",
		wrong: "iif(${column}<>0,'9e999','-9e999')",
		tests: [`${BACKUP}/dump/literals.test.ts`, ROUNDTRIP],
	},
	{
		title: 'bytes that are not UTF-8 are taken as they arrive',
		file: `${BACKUP}/dump/arrival.ts`,
		right: 'return countReplacements(text) === (replacements ?? 0) ? sql : null;',
		wrong: 'return countReplacements(text) >= (replacements ?? 0) ? sql : null;',
		tests: [PAGES, ROUNDTRIP],
	},
	{
		title: 'the guard of a quick row does not look for NUL',
		file: `${BACKUP}/dump/literals.ts`,
		right: '`(${hasNul(column)} OR ${isBlob(column)})`',
		wrong: '`(${isBlob(column)})`',
		tests: [PAGES],
	},
	{
		title: 'the guard of a quick row does not look for blobs among text',
		file: `${BACKUP}/dump/literals.ts`,
		right: '`(${hasNul(column)} OR ${isBlob(column)})`',
		wrong: '`(${hasNul(column)})`',
		tests: [PAGES],
	},
	{
		title: 'the guard of a page does not look for carriage returns',
		file: `${BACKUP}/dump/literals.ts`,
		right: "return sql.includes('\\r') || sql.includes(BEGIN);",
		wrong: 'return sql.includes(BEGIN);',
		tests: [PAGES],
	},
	{
		title: 'the guard of a page does not look for BEGIN TRANSACTION',
		file: `${BACKUP}/dump/literals.ts`,
		right: "return sql.includes('\\r') || sql.includes(BEGIN);",
		wrong: "return sql.includes('\\r');",
		tests: [PAGES],
	},
	{
		title: 'the guard of a page does not look for U+FFFD',
		file: `${BACKUP}/dump/arrival.ts`,
		right: 'return text.includes(REPLACEMENT);',
		wrong: "return text.includes('no such text');",
		tests: [PAGES],
	},
	{
		title: 'the guard of a page does not look for rows too long for a statement',
		file: `${BACKUP}/dump/pages.ts`,
		right: 'if (length === 0 || length > maxRowBytes) return true;',
		wrong: 'if (length === 0) return true;',
		tests: [PAGES],
	},
	{
		title: 'the guard of a page does not look for rows too long in hexadecimal',
		file: `${BACKUP}/dump/arrival.ts`,
		right: 'return exact.length <= maxRowBytes ? exact : NO_TEXT;',
		wrong: 'return exact.length >= 0 || maxRowBytes > 0 ? exact : NO_TEXT;',
		tests: [PAGES],
	},
	{
		title: 'zero loses its sign',
		file: `${BACKUP}/dump/literals.ts`,
		right: "iif(atan2(${column},-1)<0,'-0.0','0.0')",
		wrong: "iif(atan2(${column},-1)<9,'0.0','-0.0')",
		tests: [PAGES],
	},
	{
		title: 'a real of five decimals is taken for a short one',
		file: `${BACKUP}/dump/literals.ts`,
		right: '${rounded}/${SHORT_SCALE}=${column}`',
		wrong: 'abs(${rounded}/${SHORT_SCALE}-${column})<1e-4`',
		tests: [PAGES],
	},
	{
		title: 'a whole real of 16 digits is printed in decimal',
		file: `${BACKUP}/dump/literals.ts`,
		right: '${column}<${LARGEST_WHOLE} AND',
		wrong: '${column}<=${LARGEST_WHOLE} AND',
		tests: [PAGES],
	},
	{
		title: 'a page is ordered by a wrong key',
		file: `${BACKUP}/dump/keys.ts`,
		right: "${part.descending ? ' DESC' : ''}",
		wrong: "${part.descending ? '' : ' DESC'}",
		tests: [ROUNDTRIP],
	},
	{
		title: 'a key of several parts is compared by its first part',
		file: `${BACKUP}/dump/keys.ts`,
		right: "const columns = key.parts.map(column).join(',');",
		wrong: 'values.length = 1;\n\tconst columns = column(key.parts[0]);',
		tests: [ROUNDTRIP],
	},
	{
		title: 'the parts of a key after the first are compared in its direction',
		file: `${BACKUP}/dump/keys.ts`,
		right: "const beyond = part.descending ? '<' : '>';",
		wrong: "const beyond = '>';",
		tests: [ROUNDTRIP],
	},
	{
		title: 'the last page is dropped',
		file: `${BACKUP}/dump/walk.ts`,
		right: '\t\tfor (const part of page.parts) {',
		wrong: '\t\tfor (const part of page.last && page !== first ? [] : page.parts) {',
		tests: [...STEPS, ROUNDTRIP],
	},
	{
		title: 'the rowid is left out',
		file: `${BACKUP}/dump/inserts.ts`,
		right: 'if (table.rowid) columns.unshift(table.rowid);',
		wrong: '',
		tests: [ROUNDTRIP],
	},
	{
		title: 'a statement is longer than D1 takes',
		file: `${BACKUP}/limits.ts`,
		right: 'export const MAX_WRITTEN_STATEMENT_BYTES = 90_000;',
		wrong: 'export const MAX_WRITTEN_STATEMENT_BYTES = 150_000;',
		tests: [ROUNDTRIP],
	},
	{
		title: 'a table that was dropped and made again is not noticed',
		file: `${BACKUP}/dump/unchanged.ts`,
		right: 'if (found !== filled.length) throw new SnapshotChanged();',
		wrong: '',
		tests: [`${BACKUP}/dump/unchanged.test.ts`],
	},
	{
		title: 'terms are written as the stemmer has left them',
		file: `${BACKUP}/dump/stage/terms.ts`,
		right: 'iif(r.term IS NULL,v.term,r.spelling)',
		wrong: 'v.term',
		tests: [`${BACKUP}/dump/stage/`, 'tests/properties/indexes.test.ts'],
	},
	{
		title: 'texts are as short as their different terms',
		file: `${BACKUP}/dump/stage/terms.ts`,
		right: "text||ifnull(${copies('n-terms', 'one')},'') AS text",
		wrong: 'text',
		tests: [`${BACKUP}/dump/stage/`, 'tests/properties/indexes.test.ts'],
	},
	{
		title: 'the stage of another backup is read',
		file: `${BACKUP}/dump/stage/read.ts`,
		right: "if (results[0]?.results[0]?.['owner'] !== owner) throw new SnapshotChanged();",
		wrong: 'void owner;',
		tests: [`${BACKUP}/dump/stage/`],
	},
	{
		title: 'the values of rows too long for a page are not staged',
		file: `${BACKUP}/dump/stage/fill.ts`,
		right: '...plans.filter(({ hasLongRows }) => hasLongRows).flatMap(insertValues),',
		wrong: '...plans.filter(({ hasLongRows }) => hasLongRows && false).flatMap(insertValues),',
		tests: [`${BACKUP}/dump/stage/`],
	},
];

const format: Mutation[] = [
	{
		title: 'one byte of a digest is ignored',
		file: `${BACKUP}/format/digest.ts`,
		right: 'return was.sha256 === is.sha256 ?',
		wrong: 'return was.sha256.slice(2) === is.sha256.slice(2) ?',
		tests: [`${BACKUP}/format/digest.test.ts`],
	},
	{
		title: 'a digest that was saved forgets its chain',
		file: `${BACKUP}/format/digest.ts`,
		right: "digest.#chain = Buffer.from(chain, 'base64');",
		wrong: 'void chain;',
		tests: [`${BACKUP}/format/digest.test.ts`, ...STEPS],
	},
	{
		title: 'the MAC is not compared',
		file: `${BACKUP}/format/signature.ts`,
		right: 'given.length === expected.length && timingSafeEqual(given, expected)',
		wrong: 'given.length === expected.length || timingSafeEqual(expected, expected)',
		tests: [`${BACKUP}/format/signature.test.ts`],
	},
	{
		title: 'a manifest without a MAC is accepted',
		file: `${BACKUP}/format/signature.ts`,
		right: 'throw mac === undefined ? manifestUnsigned() : manifestForged();',
		wrong: 'if (mac !== undefined) throw manifestForged();\n\t\tvoid manifestUnsigned;',
		tests: [`${BACKUP}/format/signature.test.ts`],
	},
	{
		title: 'digests of an encrypted backup are not hidden',
		file: `${BACKUP}/make/commit.ts`,
		right: '...hideDigests(plain, signer)',
		wrong: '...(hideDigests(plain, signer) && plain)',
		tests: ['tests/properties/protected.test.ts', 'src/cli/commands/restore-encrypted.test.ts'],
	},
];

const make: Mutation[] = [
	{
		title: 'the manifest is written first',
		file: `${BACKUP}/make/step.ts`,
		right: 'await requireUnused(call.engine.bucket, job.name);',
		wrong:
			"await requireUnused(call.engine.bucket, job.name);\n\t\t\tawait call.engine.bucket.put(manifestKey(job.name), '{}');",
		tests: [`${BACKUP}/make/`],
	},
	{
		title: 'the lock is not renewed',
		file: `${BACKUP}/storage/lock.ts`,
		right: 'if (now() - renewedAt >= RENEW_AFTER_MS) await change({});',
		wrong: 'void RENEW_AFTER_MS;',
		tests: [`${BACKUP}/storage/lock.test.ts`],
	},
	{
		title: 'a lock is taken while another holds it',
		file: `${BACKUP}/storage/lock.ts`,
		right: 'if (other !== null && other.until > now()) throw running(task, other.until - now());',
		wrong: '',
		tests: [`${BACKUP}/storage/lock.test.ts`],
	},
	{
		title: 'the job lies in the lock in the clear',
		file: `${BACKUP}/make/job.ts`,
		right: '.setAudience(JOB).encrypt(state);',
		wrong:
			'.setAudience(JOB).encrypt(state).then((text) => `${text}.${btoa(JSON.stringify(job))}`);',
		tests: [`${BACKUP}/make/`],
	},
	{
		title: 'a ticket never expires',
		file: `${BACKUP}/make/job.ts`,
		right: 'if (error instanceof errors.JWTExpired) throw expired();',
		wrong: 'if (error instanceof errors.JWTExpired) return error.payload;\n\t\t\tvoid expired;',
		tests: STEPS,
	},
	{
		title: 'a volume may be overwritten',
		file: `${BACKUP}/storage/volume.ts`,
		right: 'const put = { key: this.key, body, sha256, onlyIf: IF_ABSENT };',
		wrong:
			'await this.#context.bucket.delete(this.key);\n\t\tconst put = { key: this.key, body, sha256, onlyIf: IF_ABSENT };',
		tests: [`${BACKUP}/storage/volume.test.ts`],
	},
	{
		title: 'a put whose answer was lost counts as failed',
		file: `${BACKUP}/storage/conditional.ts`,
		right: 'return object?.checksums.toJSON().sha256 === sha256 ? object.etag : null;',
		wrong: 'return object?.checksums.toJSON().sha256 === sha256 ? null : null;',
		tests: [`${BACKUP}/storage/`],
	},
	{
		title: 'volumes of an abandoned backup are removed without a tombstone',
		file: `${BACKUP}/storage/leftovers.ts`,
		right:
			'if (!(await buryBackup(context, name))) return findManifest(context.bucket, name, keys);',
		wrong: 'void buryBackup;',
		tests: [`${BACKUP}/storage/leftovers.test.ts`],
	},
];

const restore: Mutation[] = [
	{
		title: 'a transaction of a restore runs without its marker',
		file: `${BACKUP}/restore/transactions.ts`,
		right: '\t\t\tthis.#claim.advance(number),\n',
		wrong: '',
		tests: [`${BACKUP}/restore/`],
	},
	{
		title: 'foreign keys are checked row by row',
		file: `${BACKUP}/restore/transactions.ts`,
		right: "['PRAGMA defer_foreign_keys=ON', ",
		wrong: '[',
		tests: [`${BACKUP}/restore/`],
	},
	{
		title: 'a restore takes a database that another one is working in',
		file: `${BACKUP}/restore/claim.ts`,
		right: 'requireFree(contents, existing);',
		wrong: '',
		tests: [`${BACKUP}/restore/`],
	},
	{
		title: 'the restored contents are not compared',
		file: `${BACKUP}/prove/compare.ts`,
		right: 'if (differences.length > 0) throw differs(differences);',
		wrong: 'void differs;\n\tvoid differences;',
		tests: ['src/cli/targets', `${BACKUP}/prove/`],
	},
];

const access: Mutation[] = [
	{
		title: 'a code is not spent',
		file: `${ACCESS}/index.ts`,
		right: 'if (!(await useUp(bucket, code, now))) throw codeSpent(now);',
		wrong: 'await useUp(bucket, code, now);\n\t\t\tvoid codeSpent;',
		tests: ['src/routes/api/backup'],
	},
	{
		title: 'a token may be used twice',
		file: `${ACCESS}/once.ts`,
		right: 'if (etag === null) return false;',
		wrong: '',
		tests: [`${ACCESS}/once.test.ts`, `${ACCESS}/index.test.ts`],
	},
	{
		title: 'wrong codes are not recorded',
		file: `${ACCESS}/lockout.ts`,
		right: 'if (!code) return { ...guesses, wrong: [...counted, { at: now, network }] };',
		wrong: 'if (!code) return guesses;',
		tests: [`${ACCESS}/lockout.test.ts`],
	},
	{
		title: 'a token for somebody else is accepted',
		file: `${ACCESS}/token.ts`,
		right: '\t\t\tissuer,\n\t\t\taudience,\n',
		wrong: '\t\t\tissuer,\n',
		tests: [`${ACCESS}/token`],
	},
];

/** Every fault, by the room in which it is planted. */
export const MUTATIONS: Mutation[] = [
	...budget,
	...dump,
	...format,
	...make,
	...restore,
	...access,
];
