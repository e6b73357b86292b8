import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import { type Environment, invalidSetting, list } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** All addresses whose first `bits` bits are those of `address`. */
export type AddressRange = [address: Address, bits: number];

/** Bits before the IPv4 address in an IPv4-mapped one, `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2). */
const MAPPED_BITS = 96;

/**
 * The addresses and networks (CIDR) of BACKUP_ALLOWED_IPS; null if every address is allowed. Throws
 * `backup_allowed_ips_invalid` (500).
 */
export function allowedAddresses(env: Environment | undefined): AddressRange[] | null {
	const words = list(env, 'BACKUP_ALLOWED_IPS');
	if (words.length === 0) return null;
	return words.map((word, index) => {
		const range = parseRange(word);
		if (range === null) throw badEntry(index + 1);
		return range;
	});
}

/**
 * Requires an address that is in one of the ranges; null allows every address. A text that is not an
 * address is in no range. Throws `address_not_allowed` (403).
 */
export function requireAllowed(ranges: AddressRange[] | null, text: string): void {
	if (ranges === null) return;
	const address = parseAddress(text);
	if (address && ranges.some((range) => contains(range, unmapped(address)))) return;
	throw new LifeboatError('Calls from this address are not allowed.', {
		code: 'address_not_allowed',
		status: 403,
		hint: "Call from an address in the app's setting BACKUP_ALLOWED_IPS, or add yours to it.",
	});
}

/**
 * What counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 address, because a
 * subscriber has at least 2^64 of those (RFC 6177); `unknown` if the text is not an address.
 */
export function networkOf(text: string): string {
	const parsed = parseAddress(text);
	if (parsed === null) return 'unknown';
	const address = unmapped(parsed);
	if (address instanceof ipaddr.IPv4) return address.toString();
	const network = new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0]);
	return `${network.toString()}/64`;
}

/** Node decides what an address is, because ipaddr.js also accepts `10.1` and `0x7f.1`. */
function parseAddress(text: string): Address | null {
	return isIP(text) === 0 || text.includes('%') ? null : ipaddr.parse(text);
}

function parseRange(text: string): AddressRange | null {
	const [, start = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
	const address = parseAddress(start);
	if (address === null) return null;
	const length = address.toByteArray().length * 8;
	const bits = Number(prefix ?? length);
	if (bits > length) return null;
	const plain = unmapped(address);
	if (plain === address) return [address, bits];
	return bits < MAPPED_BITS ? null : [plain, bits - MAPPED_BITS];
}

function unmapped(address: Address): Address {
	const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress();
	return isMapped ? address.toIPv4Address() : address;
}

function contains([start, bits]: AddressRange, address: Address): boolean {
	return start.kind() === address.kind() && address.match(start, bits);
}

function badEntry(number: number): LifeboatError {
	return invalidSetting(
		'BACKUP_ALLOWED_IPS',
		'Set it to IPv4 and IPv6 addresses, or networks such as 198.51.100.0/24 and 2001:db8::/32, separated by spaces.',
		`Entry ${number} in BACKUP_ALLOWED_IPS is neither an address nor a network.`,
	);
}
