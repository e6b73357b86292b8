/** All that one call tells the world outside takes no longer than this, in milliseconds. */
export const SEND_MS = 10_000;
const TRIES = 3;
const PAUSE_MS = 500;

/** A message to somebody outside. */
export interface Message {
	url: URL;
	body: string;
	contentType: 'application/json' | 'text/plain';
}

/**
 * Posts a message; false when it was not taken. Tries a few times where that may help, until the signal
 * ends it. Never throws, follows no redirect, which might lead anywhere, and reads no answer.
 */
export async function send(message: Message, signal: AbortSignal): Promise<boolean> {
	for (let attempt = 1; attempt <= TRIES && !signal.aborted; attempt++) {
		if (attempt > 1) await pause(signal);
		const status = await post(message, signal);
		if (status !== null && status >= 200 && status < 300) return true;
		const mayPass = status === null || status === 429 || status >= 500;
		if (!mayPass) return false;
	}
	return false;
}

/** The status of the answer; null where there was none. */
async function post({ url, body, contentType }: Message, signal: AbortSignal) {
	try {
		const response = await fetch(url, {
			...{ method: 'POST', body, signal, redirect: 'manual' },
			headers: { 'Content-Type': contentType, 'User-Agent': 'Lifeboat' },
		});
		await response.body?.cancel();
		return response.status;
	} catch {
		return null;
	}
}

function pause(signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, PAUSE_MS);
		signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
	});
}
