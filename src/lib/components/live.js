/*
 * The script of a page that is not hydrated: it shows times in the viewer's time zone, and makes the buttons of
 * CopyButton.svelte work. Time.svelte and CopyButton.svelte do the same by themselves on a hydrated page, which
 * this leaves as it is.
 *
 * An app's bundler serves this file as it stands. So it is JavaScript, and imports nothing.
 */

const CONFIRMED_MS = 2_000;

/** @type {NodeListOf<HTMLTimeElement>} */
const times = document.querySelectorAll('time[data-local]');
times.forEach(showLocal);

/** @type {NodeListOf<HTMLButtonElement>} */
const buttons = document.querySelectorAll('button[data-copy]');
if ('clipboard' in navigator) buttons.forEach(makeCopy);

/**
 * Shows a time in the viewer's time zone. Its format is in `data-local`, from time.ts.
 *
 * @param {HTMLTimeElement} time
 */
function showLocal({ dateTime, dataset, firstChild }) {
	const at = Date.parse(dateTime);
	if (Number.isNaN(at) || firstChild === null) return;
	const [locale, options] = JSON.parse(dataset['local'] ?? '[]');
	// The text of the node and not of the element, whose node Svelte may hold.
	firstChild.nodeValue = new Intl.DateTimeFormat(locale, options).format(at);
}

/**
 * Makes a button copy the text in its `data-copy`.
 *
 * @param {HTMLButtonElement} button
 */
function makeCopy(button) {
	const said = button.querySelector('.said');
	button.hidden = false;
	button.onclick = async () => {
		await navigator.clipboard.writeText(button.dataset['copy'] ?? '');
		if (said === null) return;
		said.textContent = 'Copied';
		setTimeout(() => (said.textContent = 'Copy'), CONFIRMED_MS);
	};
}

export {}; // a module, also to TypeScript
