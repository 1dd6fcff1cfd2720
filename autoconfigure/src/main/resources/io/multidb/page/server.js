/*
 * Asking the server, and telling its own words from those of whatever stands between: a proxy, a login page.
 */

/** An answer is waited for so long, in ms: one that only tells, and one that does something. */
const PATIENCE = 10000;
const PATIENCE_FOR_CHANGES = 120000;

/** Without a user and password, which the page's address may have (http://me:secret@host/), and fetch refuses. */
const HERE = location.origin + location.pathname;

/** Why there is no data. */
export class Refused extends Error {
	/** Without an answer, the status is 0. Who says it is the application only if it says so. */
	constructor(message, status, byApplication = false) {
		super(message);
		this.status = status;
		this.byApplication = byApplication;
	}
}

export const sourcePath = (name) => 'sources/' + encodeURIComponent(name);
export const tenantPath = (tenant) => 'tenants/' + encodeURIComponent(tenant);

export async function ask(path, options = {}) {
	const late = new AbortController();
	const timer = setTimeout(() => late.abort(), options.method === 'POST' ? PATIENCE_FOR_CHANGES : PATIENCE);
	options.signal?.addEventListener('abort', () => late.abort());
	let response;
	let text;
	try {
		response = await fetch(new URL('api/' + path, HERE), {
			redirect: 'manual', credentials: 'same-origin', cache: 'no-store', ...options, signal: late.signal,
			// With it, Spring Security does not make the browser ask for a password: a page that polls says so itself.
			headers: { Accept: 'application/json', 'X-Requested-With': 'XMLHttpRequest', ...options.headers }
		});
		text = await response.text();
	}
	catch {
		throw new Refused('The server does not answer.', 0);
	}
	finally {
		clearTimeout(timer);
	}
	if (response.type === 'opaqueredirect' || response.status === 401) {
		throw new Refused('You are not signed in any more. Reload the page to sign in.', 401);
	}
	const type = response.headers.get('Content-Type') ?? '';
	const body = type.includes('json') ? parsed(text) : null;
	if (response.ok && body) {
		return body;
	}
	if (type.startsWith('application/problem+json') && body?.detail) {
		throw new Refused(body.detail, response.status, true);
	}
	throw new Refused(response.status === 403 ? 'You may not do this.' : response.ok
		? 'What answers is not the application: a login page, or a proxy. Reload the page to see.'
		: `The answer is ${response.status}, and not in the application’s own words: it may come from a proxy.`, response.status);
}

function parsed(text) {
	try {
		return JSON.parse(text);
	}
	catch {
		return null;
	}
}

/** Who looks, and what he may do; asked for once. */
let session = null;

export async function signedIn() {
	return session ??= await ask('session');
}

async function send(path, body) {
	const headers = { 'Content-Type': 'application/json', 'X-Datasources-Page': '1' };
	const { csrf } = await signedIn();
	if (csrf) {
		headers[csrf.header] = csrf.token;
	}
	return ask(path, { method: 'POST', body: JSON.stringify(body), headers });
}

/** A token that has become old, as after signing in again, is fetched once more. */
export async function change(path, body = {}) {
	try {
		return await send(path, body);
	}
	catch (failure) {
		const former = session?.csrf?.token;
		if (!former || ![401, 403].includes(failure.status)) {
			throw failure;
		}
		session = null;
		if ((await signedIn()).csrf?.token === former) {
			throw failure;
		}
		return send(path, body);
	}
}

/** Whether something may have been done though nobody says so. */
export const isUnknown = (failure) => !failure.byApplication && (failure.status === 0 || failure.status >= 500 || failure.status === 200);
