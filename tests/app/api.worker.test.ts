// The tests of the API once more, with the app as a Worker.
process.env['LIFEBOAT_APP'] = 'worker';
await import('./api.test.ts');
export {};
