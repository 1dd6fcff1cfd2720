/*
 * Asking the server again and again, while somebody looks: what for, how often, and how old what is known has become.
 */
import { listHash, place } from './address.js';
import { ask, signedIn, sourcePath, tenantPath } from './server.js';
import { draw, isRunning, state } from './state.js';
import { clock } from './words.js';

/** How often, in ms. */
export const POLL = 2000;
const LONGEST_PAUSE = 30000;
const REFUSED_PAUSE = 15000;
/** An answer that is older does not count as live. */
const OLD = 3 * POLL;
/** Whoever has not touched the page for so long is not there, and is not kept signed in by its questions. */
const UNTOUCHED = 15 * 60000;
const SIZE = 100;
/** Of which version this page is; its files have it in their path. */
const VERSION = import.meta.url.split('/').at(-2);

let timer = 0;
let pause = POLL;
let asking = null;
let touched = Date.now();

/** Asks now, and then again and again while somebody looks. */
export async function poll() {
	rest();
	if (document.hidden) {
		return;
	}
	state.paused = Date.now() - touched > UNTOUCHED && !state.tasks.some(isRunning);
	if (state.paused) {
		draw();
		return;
	}
	const mine = asking = new AbortController();
	const here = place();
	try {
		const [session] = await Promise.all([signedIn(), load(here, mine.signal)]);
		state.session = session;
		state.problem = null;
		answered();
	}
	catch (failure) {
		if (mine !== asking) {
			return;
		}
		refused(here, failure);
	}
	if (mine === asking) {
		asking = null;
		state.nextTry = Date.now() + pause;
		timer = setTimeout(poll, pause);
		draw();
	}
}

/** No data has come. What is shown is not of now any more, whoever says so. */
function refused(here, failure) {
	if (here.view === 'source' && failure.status === 404 && failure.byApplication) {
		state.problem = { status: 404, text: failure.message };
		answered();
		return;
	}
	const forbidden = [401, 403].includes(failure.status);
	state.problem = forbidden ? { status: failure.status, text: failure.message } : null;
	if (forbidden) {
		// Nothing that follows would be of use to whoever looks now.
		state.overview = state.detail = state.tenant = state.answered = null;
	}
	state.silence = { since: state.silence?.since ?? state.answered ?? Date.now(), status: failure.status, text: failure.message };
	pause = forbidden ? REFUSED_PAUSE : Math.min(LONGEST_PAUSE, pause * 2);
}

/** Nobody looks, so nobody asks. */
export function rest() {
	clearTimeout(timer);
	const former = asking;
	asking = null;
	former?.abort();
}

function answered() {
	state.answered = Date.now();
	state.silence = null;
	pause = POLL;
}

export const isAsking = () => asking !== null;

/** Somebody is there. */
export function touch() {
	touched = Date.now();
	if (state.paused) {
		poll();
		draw();
	}
}

/** Somebody is back, to whom this page was hidden. */
export function resume() {
	touched = Date.now();
	draw();
	poll();
}

/** Since when what is shown has been getting old, in ms; null while it is live. */
export function staleSince() {
	return state.silence?.since ?? (Date.now() - state.answered > OLD ? state.answered : null);
}

async function load(here, signal) {
	if (here.view === 'source') {
		const detail = await ask(sourcePath(here.name), { signal });
		told(detail);
		state.detail = detail;
		return;
	}
	const query = new URLSearchParams({ size: String(SIZE), sort: 'state' });
	for (const key of ['search', 'state', 'product', 'origin', 'server', 'sort', 'page']) {
		if (here.filters[key]) {
			query.set(key, key === 'page' ? String(Math.max(0, Number(here.filters.page) - 1) || 0) : here.filters[key]);
		}
	}
	const overview = await ask('sources?' + query, { signal });
	told(overview);
	const { list } = overview;
	const pages = Math.ceil(list.total / list.size);
	if (list.page > 0 && list.page >= pages && listHash(place().filters) === listHash(here.filters)) {
		// There is less than there was.
		history.replaceState(history.state, '', listHash({ ...here.filters, page: pages > 1 ? String(pages) : '' }));
		return load(place(), signal);
	}
	state.overview = overview;
	if (here.view === 'tenants' && here.tenant) {
		await lookUp(here.tenant, signal);
	}
}

function told(answer) {
	clock.ahead = Date.parse(answer.now) - Date.now();
	heardFrom(answer.node);
	state.otherVersion = answer.version !== VERSION;
}

/** A process that is started anew never comes back by its former name, so whoever does is one of several. */
function heardFrom(node) {
	state.severalNodes ||= node !== state.node && state.nodes.has(node);
	state.node = node;
	state.nodes.add(node);
}

/** What is known of a tenant depends on the catalog, which may be down while all else can be told. */
async function lookUp(tenant, signal) {
	try {
		state.tenant = await ask(tenantPath(tenant), { signal });
		state.tenantProblem = null;
	}
	catch (failure) {
		if (!failure.byApplication) {
			throw failure;
		}
		state.tenant = null;
		state.tenantProblem = failure.message;
	}
}

// At once, while the rest of the page is still on its way.
poll();
