import { bucket } from './bucket.ts';
import { budget } from './budget.ts';
import { differentials } from './differentials.ts';
import { dump } from './dump.ts';
import type { Mutation } from './mutation.ts';
import { reading } from './reading.ts';
import { retention } from './retention.ts';

const BACKUP = 'src/lib/server/backup';
const ACCESS = 'src/lib/server/access';
const STEPS = ['tests/properties/steps.test.ts', 'tests/properties/tickets.test.ts'];

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
		right: 'throw manifest.mac === undefined ? manifestUnsigned() : manifestForged();',
		wrong: 'if (manifest.mac !== undefined) throw manifestForged();\n\t\tvoid manifestUnsigned;',
		tests: [`${BACKUP}/format/signature.test.ts`],
	},
	{
		title: 'a replaced key never ends',
		file: `${BACKUP}/format/signature.ts`,
		right: 'until === undefined || at < until',
		wrong: 'until === undefined || at !== until',
		tests: [`${BACKUP}/format/signature.test.ts`],
	},
	{
		title: 'digests of an encrypted backup are not hidden',
		file: `${BACKUP}/make/commit.ts`,
		right: '...hideDigests(plain, signer)',
		wrong: '...(hideDigests(plain, signer) && plain)',
		tests: ['tests/properties/protected.test.ts'],
	},
];

const make: Mutation[] = [
	{
		title: 'the manifest is written first',
		file: `${BACKUP}/make/step.ts`,
		right: 'await requireUnused(call.engine.bucket, name);\n\t}',
		wrong:
			"await requireUnused(call.engine.bucket, name);\n\t}\n\tawait call.engine.bucket.put(manifestKey(job.name), '{}');",
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
		right: '.setAudience(about(JOB, key)).encrypt(key.state);',
		wrong:
			'.setAudience(about(JOB, key)).encrypt(key.state).then((text) => `${text}.${btoa(JSON.stringify(job))}`);',
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
		tests: ['src/lib/server/http/routes'],
	},
	{
		title: 'the lockout stops the long code too',
		file: `${ACCESS}/index.ts`,
		right: 'const isGuess = totp.isCode(text);',
		wrong: 'const isGuess = totp.isCode(text) || totp.isLongCode(text);',
		tests: [`${ACCESS}/index.test.ts`],
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
	...bucket,
	...budget,
	...differentials,
	...dump,
	...format,
	...make,
	...reading,
	...restore,
	...retention,
	...access,
];
