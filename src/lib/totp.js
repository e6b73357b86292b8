// Only Web Crypto and no imports, so that Node 20, browsers and workerd can run this file as it is.

/** @typedef {'SHA-1' | 'SHA-256' | 'SHA-512'} Algorithm */

/** RFC 4648, section 6. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4226, section 4, R6: the shared secret is at least 128 bits long. */
const MIN_SECRET_BYTES = 16;

/** The hash functions of RFC 6238, section 1.2. */
const ALGORITHMS = ['SHA-1', 'SHA-256', 'SHA-512'];

/** Bytes of a long code: 192 bits cannot be guessed, and base64url needs no padding for them. */
const LONG_BYTES = 24;

/** The use of the key behind the long codes (`info` of RFC 5869), so that no other use shares it. */
const LONG_LABEL = 'lifeboat long code 1';

const REMEDY = 'Clear TOTP_SECRET in .env and run `npm run setup` to generate a valid one.';

/**
 * A secret that {@link TOTP} refuses. The message is one line: the mistake, and the command that
 * fixes it, but no part of the secret. `code` is for programs and will not be renamed.
 */
export class TotpError extends Error {
	/**
	 * @param {'totp_secret_missing' | 'totp_secret_looks_hex' | 'totp_secret_not_base32' |
	 *   'totp_secret_bad_length' | 'totp_secret_too_short'} code
	 * @param {string} mistake one sentence
	 */
	constructor(code, mistake) {
		super(`${mistake} ${REMEDY}`);
		this.name = 'TotpError';
		this.code = code;
	}
}

/**
 * Time-based one-time passwords (RFC 6238, based on RFC 4226) from a base32 secret (RFC 4648), and a
 * long form of them that cannot be guessed, for programs. It keeps no state: the caller has to accept
 * each code only once (RFC 6238, section 5.2), whichever form it has.
 */
export class TOTP {
	#digits;
	#step;
	#secret;
	#key;
	/** @type {Promise<CryptoKey> | undefined} */
	#longKey;

	/**
	 * @param {string} secret base32 as {@link TOTP.base32ToUint8Array} reads it, at least 128 bits
	 * @param {number} digits length of a code, 6 to 8 (RFC 4226, section 4, R4 and section 5.3)
	 * @param {number} step seconds for which a code is valid (RFC 6238, section 4.1)
	 * @param {{ algorithm?: Algorithm }} options the hash function of the HMAC
	 * @throws {TotpError} if the secret is missing, malformed or too short
	 * @throws {RangeError} if another argument is out of range
	 */
	constructor(secret, digits = 6, step = 30, { algorithm = 'SHA-1' } = {}) {
		if (!Number.isInteger(digits) || digits < 6 || digits > 8) {
			throw new RangeError('digits must be 6, 7 or 8.');
		}
		if (!Number.isSafeInteger(step) || step < 1) {
			throw new RangeError('step must be a positive whole number of seconds.');
		}
		if (!ALGORITHMS.includes(algorithm)) {
			throw new RangeError(`algorithm must be one of ${ALGORITHMS.join(', ')}.`);
		}
		if (!secret) throw new TotpError('totp_secret_missing', 'TOTP_SECRET is not set.');

		const key = new Uint8Array(this.base32ToUint8Array(secret)); // a copy that no thread shares
		if (key.length < MIN_SECRET_BYTES) {
			throw new TotpError(
				'totp_secret_too_short',
				'The TOTP secret is too short: it needs 128 bits, which is 26 characters of base32.',
			);
		}

		this.#secret = key;
		const hmac = { name: 'HMAC', hash: algorithm };
		this.#key = crypto.subtle.importKey('raw', key, hmac, false, ['sign']);
		this.#digits = digits;
		this.#step = step;
	}

	/**
	 * Returns the code for a point in time.
	 *
	 * @param {number} seconds Unix time; fractions are fine
	 * @returns {Promise<string>} decimal digits with leading zeros
	 * @throws {RangeError} if the time is negative or not a finite number
	 */
	async generateTOTP(seconds) {
		return this.#code(this.#counter(seconds));
	}

	/**
	 * Returns the long code for a point in time: the first 24 bytes of the HMAC-SHA-256 of the step, as
	 * 8 bytes with the highest first, in base64url. The key is derived from the secret by HKDF-SHA-256
	 * without a salt (RFC 5869). Digits and algorithm of the constructor make no difference.
	 *
	 * @param {number} seconds Unix time; fractions are fine
	 * @returns {Promise<string>} 32 letters, digits, hyphens and underscores
	 * @throws {RangeError} if the time is negative or not a finite number
	 */
	async generateLongCode(seconds) {
		return this.#longCode(this.#counter(seconds));
	}

	/**
	 * Whether a code of either form is valid at a point in time: {@link TOTP.match} finds a step.
	 *
	 * @param {string} token
	 * @param {number} milliseconds Unix time, as `Date.now()` gives it
	 * @returns {Promise<boolean>}
	 * @throws {RangeError} if the time is negative or not a finite number
	 */
	async verify(token, milliseconds) {
		return (await this.match(token, milliseconds)) !== null;
	}

	/**
	 * Returns the step since 1970 that a code of either form belongs to, if it is valid at a point in
	 * time, or was or will be one step away, which allows for network delay and clock drift (RFC 6238,
	 * section 5.2). Otherwise returns `null`, without computing anything if the text does not have the
	 * form of a code.
	 *
	 * @param {string} token
	 * @param {number} milliseconds Unix time, as `Date.now()` gives it
	 * @returns {Promise<number | null>}
	 * @throws {RangeError} if the time is negative or not a finite number
	 */
	async match(token, milliseconds) {
		const now = this.#counter(milliseconds / 1000);
		const isLong = this.isLongCode(token);
		if (!isLong && !this.isCode(token)) return null;

		const counters = [now - 1, now, now + 1].filter((counter) => counter >= 0);
		const codes = await Promise.all(
			counters.map((counter) => (isLong ? this.#longCode(counter) : this.#code(counter))),
		);
		// No early exit, so that the time taken does not reveal which code or character was right.
		const matches = codes.map((code) => sameText(code, token));
		return counters[matches.indexOf(1)] ?? null;
	}

	/**
	 * Whether a text has the form of a code: as many ASCII digits as expected.
	 *
	 * @param {string} token
	 */
	isCode(token) {
		return /^[0-9]+$/.test(token) && token.length === this.#digits;
	}

	/**
	 * Whether a text has the form of a long code: 32 characters of base64url (RFC 4648, section 5).
	 *
	 * @param {string} token
	 */
	isLongCode(token) {
		return typeof token === 'string' && /^[A-Za-z0-9_-]{32}$/.test(token);
	}

	/**
	 * Decodes base32 (RFC 4648, section 6). Accepts either case, white space and hyphens, because
	 * people copy secrets from a screen, and padding may be omitted. As in oathtool, the unused bits
	 * of the last character may have any value (section 3.5 leaves that open), because phones ignore
	 * them too.
	 *
	 * A hexadecimal text without 0, 1, 8 and 9 is also valid base32, and is read as base32.
	 *
	 * @param {string} text
	 * @returns {Uint8Array}
	 * @throws {TotpError} for other characters, and for a length or padding that base32 cannot have
	 */
	base32ToUint8Array(text) {
		const compact = text.replace(/[\s-]/g, '');
		const symbols = compact.replace(/=+$/, '');
		refuseForeignCharacters(symbols);
		refuseImpossibleLength(symbols.length, compact.length);

		const bytes = new Uint8Array(Math.floor((symbols.length * 5) / 8));
		let length = 0;
		let pending = 0;
		let bits = 0;
		for (const symbol of symbols.toUpperCase()) {
			pending = (pending << 5) | ALPHABET.indexOf(symbol);
			bits += 5;
			if (bits < 8) continue;
			bits -= 8;
			bytes[length++] = pending >>> bits;
			pending &= (1 << bits) - 1;
		}
		return bytes;
	}

	/**
	 * Steps since 1970 (RFC 6238, section 4.2, with T0 = 0).
	 *
	 * @param {number} seconds
	 */
	#counter(seconds) {
		const counter = Math.floor(seconds / this.#step);
		if (Number.isSafeInteger(counter) && counter >= 0) return counter;
		throw new RangeError('The time must be a finite number, and not before 1970.');
	}

	/**
	 * The HOTP value of a counter (RFC 4226, section 5.3).
	 *
	 * @param {number} counter
	 */
	async #code(counter) {
		const mac = new DataView(await macOf(counter, await this.#key));
		const offset = mac.getUint8(mac.byteLength - 1) & 0xf;
		const truncated = mac.getUint32(offset) & 0x7fff_ffff;
		return String(truncated % 10 ** this.#digits).padStart(this.#digits, '0');
	}

	/** @param {number} counter */
	async #longCode(counter) {
		this.#longKey ??= longKeyOf(this.#secret);
		const mac = await macOf(counter, await this.#longKey);
		const base64 = btoa(String.fromCharCode(...new Uint8Array(mac, 0, LONG_BYTES)));
		return base64.replaceAll('+', '-').replaceAll('/', '_');
	}
}

/**
 * The HMAC of a counter as 8 bytes, the highest first (RFC 4226, section 5.1).
 *
 * @param {number} counter
 * @param {CryptoKey} key
 */
function macOf(counter, key) {
	const message = new DataView(new ArrayBuffer(8));
	message.setBigUint64(0, BigInt(counter));
	return crypto.subtle.sign('HMAC', key, message);
}

/** @param {Uint8Array<ArrayBuffer>} secret */
async function longKeyOf(secret) {
	const hkdf = {
		name: 'HKDF',
		hash: 'SHA-256',
		salt: new Uint8Array(),
		info: new TextEncoder().encode(LONG_LABEL),
	};
	const hmac = { name: 'HMAC', hash: 'SHA-256', length: 256 };
	const source = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
	return crypto.subtle.deriveKey(hkdf, source, hmac, false, ['sign']);
}

/** @param {string} symbols */
function refuseForeignCharacters(symbols) {
	if (/^[A-Za-z2-7]*$/.test(symbols)) return;
	if (/^[0-9A-Fa-f]+$/.test(symbols)) {
		throw new TotpError(
			'totp_secret_looks_hex',
			'The TOTP secret looks like hexadecimal, but it must be base32 (A-Z, 2-7).',
		);
	}
	throw new TotpError(
		'totp_secret_not_base32',
		'The TOTP secret contains a character that base32 does not have: only A-Z and 2-7 are allowed.',
	);
}

/**
 * RFC 4648, section 6: the last group of 8 characters has 2, 4, 5, 7 or 8 characters and is filled
 * up with padding.
 *
 * @param {number} symbols characters without padding
 * @param {number} padded characters with padding
 */
function refuseImpossibleLength(symbols, padded) {
	const possible = ![1, 3, 6].includes(symbols % 8);
	const complete = padded === symbols || padded === Math.ceil(symbols / 8) * 8;
	if (possible && complete) return;
	throw new TotpError(
		'totp_secret_bad_length',
		'The TOTP secret has a length that base32 cannot have: a part of it, or of its padding, is missing.',
	);
}

/**
 * 1 if two texts of the same length are equal, else 0, in a time that depends only on the length.
 *
 * @param {string} a
 * @param {string} b
 */
function sameText(a, b) {
	let difference = 0;
	for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
	return difference === 0 ? 1 : 0;
}
