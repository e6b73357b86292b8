import { beforeEach, expect, test, vi } from 'vitest';
import { LifeboatError } from '../errors.ts';
import { errorResponse } from './respond.ts';

const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
beforeEach(() => log.mockClear());

test('a LifeboatError answers with its status, code and hint', async () => {
	const error = new LifeboatError('Too many calls.', {
		status: 429,
		code: 'too_many_calls',
		hint: 'Wait a minute.',
		retryAfter: 60,
	});
	const response = errorResponse(error);
	expect(response.status).toBe(429);
	expect(response.headers.get('Content-Type')).toBe('application/json');
	expect(response.headers.get('Retry-After')).toBe('60');
	expect(await response.json()).toEqual({
		error: 'Too many calls.',
		code: 'too_many_calls',
		hint: 'Wait a minute.',
	});
	expect(log).not.toHaveBeenCalled();
});

test('any other error answers 500, with its details only in the log', async () => {
	const error = new Error('D1_ERROR: no such table: secrets in SELECT * FROM secrets');
	const response = errorResponse(error);
	expect(response.status).toBe(500);
	expect(response.headers.has('Retry-After')).toBe(false);
	const text = await response.text();
	expect(JSON.parse(text)).toMatchObject({ code: 'internal_error' });
	expect(text).not.toMatch(/secrets|SELECT|\.ts:/);
	expect(log).toHaveBeenCalledWith(error);
});

test('a server fault is logged with its cause, which stays out of the answer', async () => {
	const error = new LifeboatError('The bucket does not answer.', {
		status: 500,
		code: 'storage_failed',
		hint: 'Try again.',
		cause: new Error('inner'),
	});
	expect(await errorResponse(error).text()).not.toContain('inner');
	expect(log).toHaveBeenCalledWith(error);
});
