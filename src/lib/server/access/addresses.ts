import ipaddr from 'ipaddr.js';
import type { Environment } from '../config.ts';
import { LifeboatError } from '../errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Every address whose first so many bits are these. */
export type AddressRange = [Address, number];

/** Bits of an IPv6 address that name a network, by RFC 4291, section 2.5.4; the rest is a host's choice. */
const NETWORK_BITS = 64;

/**
 * The addresses that may call, by BACKUP_ALLOWED_IPS: single ones, and ranges as RFC 4632 and RFC 4291
 * write them, with white space or commas between. Null where all may.
 *
 * Throws `backup_allowed_ips_invalid` (500), which names the entry by its number.
 */
export function allowedAddresses(env: Environment | undefined): AddressRange[] | null {
	const entries = env?.BACKUP_ALLOWED_IPS?.split(/[\s,]+/).filter((entry) => entry !== '') ?? [];
	if (entries.length === 0) return null;
	return entries.map((entry, index) => {
		const range = rangeOf(entry);
		if (range === null) throw badEntry(index + 1);
		return range;
	});
}

/**
 * Throws `address_not_allowed` (403) for an address outside of the ranges, and for one that is not known.
 * An IPv4 address that is written as an IPv6 one counts as what it is.
 */
export function requireAllowed(ranges: AddressRange[], address: string): void {
	const parsed = parse(address);
	if (parsed && ranges.some((range) => contains(range, parsed))) return;
	throw new LifeboatError('Calls from this address are not allowed.', {
		code: 'address_not_allowed',
		status: 403,
		hint: 'Call from an address in BACKUP_ALLOWED_IPS, or add this one there.',
	});
}

/**
 * What wrong codes are counted by: an IPv4 address, or the network of an IPv6 one, since whoever has one
 * of those has 2^64 addresses. `unknown` for everything else.
 */
export function networkOf(address: string): string {
	const parsed = parse(address);
	if (parsed === null) return 'unknown';
	if (parsed.kind() === 'ipv4') return parsed.toString();
	const network = ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/${NETWORK_BITS}`);
	return `${network.toString()}/${NETWORK_BITS}`;
}

function rangeOf(entry: string): AddressRange | null {
	if (ipaddr.isValidCIDR(entry)) return ipaddr.parseCIDR(entry);
	const address = parse(entry);
	return address && [address, address.kind() === 'ipv4' ? 32 : 128];
}

/** In full only: ipaddr.js takes `1` and `0x7f.1` for IPv4 addresses as well, as old programs do. */
function parse(text: string): Address | null {
	if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
	return ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : null;
}

function contains([start, bits]: AddressRange, address: Address): boolean {
	return start.kind() === address.kind() && address.match(start, bits);
}

function badEntry(number: number): LifeboatError {
	return new LifeboatError(`Entry ${number} in BACKUP_ALLOWED_IPS is no address and no range.`, {
		code: 'backup_allowed_ips_invalid',
		status: 500,
		hint: 'Write addresses and ranges as in 192.0.2.7 198.51.100.0/24 2001:db8::/32.',
	});
}
