import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import type { Environment } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** The addresses that share so many first bits with this one. */
export type AddressRange = [address: Address, bits: number];

/** In front of an IPv4 address that is written as an IPv6 one, `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2). */
const MAPPED_BITS = 96;

/**
 * The addresses and networks (CIDR) of BACKUP_ALLOWED_IPS, apart by white space or commas; null when
 * all may call. Throws {@link LifeboatError} (500): `backup_allowed_ips_invalid`.
 */
export function allowedAddresses(env: Environment | undefined): AddressRange[] | null {
	const words = env?.BACKUP_ALLOWED_IPS?.split(/[\s,]+/).filter((word) => word !== '') ?? [];
	if (words.length === 0) return null;
	return words.map((word, index) => {
		const range = parseRange(word);
		if (range === null) throw badEntry(index + 1);
		return range;
	});
}

/**
 * Lets an address pass that is in the list, or any when there is none. One that cannot be read is in
 * no list. Throws `address_not_allowed` (403).
 */
export function requireAllowed(list: AddressRange[] | null, text: string): void {
	if (list === null) return;
	const address = parseAddress(text);
	if (address && list.some((range) => contains(range, unmapped(address)))) return;
	throw new LifeboatError('Calls from this address are not allowed.', {
		code: 'address_not_allowed',
		status: 403,
		hint: 'Call from an address that the setting BACKUP_ALLOWED_IPS of the app has, or add yours to it.',
	});
}

/**
 * What counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 address, as one
 * subscriber has at least 2^64 of those (RFC 6177); `unknown` where there is no address.
 */
export function networkOf(text: string): string {
	const parsed = parseAddress(text);
	if (parsed === null) return 'unknown';
	const address = unmapped(parsed);
	if (address instanceof ipaddr.IPv4) return address.toString();
	const network = new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0]);
	return `${network.toString()}/64`;
}

/** The platform knows what an address is; the library alone would take `10.1` and `0x7f.1` too. */
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
	return new LifeboatError(`Entry ${number} in BACKUP_ALLOWED_IPS is no address and no network.`, {
		code: 'backup_allowed_ips_invalid',
		status: 500,
		hint: 'Write IPv4 and IPv6 addresses, or networks such as 198.51.100.0/24 and 2001:db8::/32, with a space between.',
	});
}
