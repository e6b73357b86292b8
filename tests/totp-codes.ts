// Shared by the tests of one-time codes.

export const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The seed of RFC 4226, Appendix D, and of the SHA-1 rows of RFC 6238, Appendix B. */
export const SEED = base32(ascii(20));

/** `12345678901234567890...`, as the seeds in the RFCs continue. */
export function ascii(length: number): Uint8Array {
	return Uint8Array.from({ length }, (_, i) => '1234567890'.charCodeAt(i % 10));
}

/** RFC 4648, section 6, without padding; built from a string of bits, unlike the code under test. */
export function base32(bytes: Uint8Array): string {
	const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
	const groups = bits.match(/.{1,5}/g) ?? [];
	return groups.map((group) => ALPHABET[parseInt(group.padEnd(5, '0'), 2)]).join('');
}
