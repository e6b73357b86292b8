// Reads QR codes as a camera does, without error correction: version 6, level L, one byte segment,
// which is what a URI of 107 to 134 characters produces (ISO/IEC 18004).

const SIZE = 41;
/** Width of the margin. */
const QUIET = 4;

/** Whether a module is dark: 1, or 0. */
type Dark = (x: number, y: number) => number;

/** The masks by their number; a module is inverted where its mask is 0. */
const MASKS: Dark[] = [
	(x, y) => (x + y) % 2,
	(_, y) => y % 2,
	(x) => x % 3,
	(x, y) => (x + y) % 3,
	(x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
	(x, y) => ((x * y) % 2) + ((x * y) % 3),
	(x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
	(x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** The text of the QR code in a program's output. Throws unless it has level L and a byte segment. */
export function readQrCode(output: string): string {
	const data = dataOf(bitsOf(modulesOf(output)));
	if (!data.startsWith('0100')) throw new Error('The QR code has no segment of bytes.');
	const length = parseInt(data.slice(4, 12), 2);
	const bytes = data.slice(12, 12 + length * 8).match(/.{8}/g) ?? [];
	return bytes.map((byte) => String.fromCharCode(parseInt(byte, 2))).join('');
}

/** Its modules; each line of text holds two rows. */
function modulesOf(output: string): Dark {
	const rows = output
		.split('\n')
		.filter((line) => line.length === SIZE + 2 * QUIET && /^[█▀▄ ]+$/.test(line))
		.flatMap((line) => [
			[...line].map((c) => '▄ '.includes(c)),
			[...line].map((c) => '▀ '.includes(c)),
		]);
	return (x, y) => Number(rows[y + QUIET]?.[x + QUIET]);
}

/** Its unmasked bits in reading order: upwards and downwards in turn. */
function bitsOf(dark: Dark): string {
	const mask = maskOf(dark);
	let bits = '';
	for (let right = SIZE - 1, up = true; right > 0; right -= 2, up = !up) {
		if (right === 6) right--; // skips the timing pattern
		for (let i = 0; i < SIZE; i++) {
			const y = up ? SIZE - 1 - i : i;
			for (const x of [right, right - 1]) {
				if (isPattern(x, y)) continue;
				bits += dark(x, y) ^ Number(mask(x, y) === 0);
			}
		}
	}
	return bits;
}

/** The mask: the format information starts with two bits for the level and three for the mask. */
function maskOf(dark: Dark): Dark {
	const format = [0, 1, 2, 3, 4].reduce((bits, x) => bits * 2 + dark(x, 8), 0) ^ 0b10101;
	const mask = MASKS[format & 0b111];
	if (format >> 3 !== 0b01 || !mask) throw new Error('The QR code is not of level L.');
	return mask;
}

/** Whether a module belongs to a finder, alignment or timing pattern, or to the format information. */
function isPattern(x: number, y: number): boolean {
	const isFinder = (x < 9 && y < 9) || (x > SIZE - 9 && y < 9) || (x < 9 && y > SIZE - 9);
	const isAlignment = Math.max(Math.abs(x - 34), Math.abs(y - 34)) < 3;
	return y === 6 || isFinder || isAlignment;
}

/** Its data: two interleaved blocks of 68 bytes, followed by error correction. */
function dataOf(bits: string): string {
	const codewords = (bits.match(/.{8}/g) ?? []).slice(0, 136);
	return [0, 1].flatMap((block) => codewords.filter((_, i) => i % 2 === block)).join('');
}
