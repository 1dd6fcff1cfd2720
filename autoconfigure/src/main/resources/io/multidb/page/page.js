/*
 * The operator's page. What it shows comes from 'api/' beside it, what it renders with from lit-html, which escapes
 * everything: names, URLs and errors are other people's. Nothing is kept in the browser but where one is, in the hash.
 */
import { html, nothing, render, svg } from './lit-html/lit-html.js';
import { live } from './lit-html/directives/live.js';
import { repeat } from './lit-html/directives/repeat.js';

const POLL = 2000;
const PATIENCE = 10000;
const LONGEST_PAUSE = 30000;
const SIZE = 100;
const STATES = ['unavailable', 'opening', 'draining', 'open', 'cold'];
const COLUMNS = [
	{ key: 'state', title: 'State' }, { key: 'name', title: 'Source' }, { key: 'product', title: 'Product' },
	{ key: 'active', title: 'Connections', lastFirst: false }, { title: 'Migrations' }, { title: 'Last error' },
	{ key: 'origin', title: 'Found in' }
];

const root = document.getElementById('page');
const number = new Intl.NumberFormat();
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** Everything that is shown. */
const state = {
	session: null,
	overview: null,
	detail: null,
	tenant: null,
	/** Why the last answer is not what was asked for: {title, text, fatal}. */
	problem: null,
	/** When the server answered last, by this clock, and since when it does not. */
	answered: null, silentSince: null, nextTry: null,
	/** The server's clock, less this one. */
	ahead: 0,
	products: new Set(['postgresql', 'sqlite']),
	dialog: null,
	tasks: [],
	lastList: '#/'
};

// ---------------------------------------------------------------------------------------------- where one is

function place() {
	const text = location.hash.replace(/^#\/?/, '');
	const [path, query] = text.split('?', 2);
	const parts = path.split('/').filter(Boolean).map(decoded);
	const filters = Object.fromEntries(new URLSearchParams(query ?? ''));
	if (parts[0] === 'sources' && parts.length === 2) {
		return { view: 'source', name: parts[1], filters: {} };
	}
	if (parts[0] === 'tenants') {
		return { view: 'tenants', tenant: parts[1], filters: {} };
	}
	return { view: parts[0] === 'servers' ? 'servers' : 'list', filters };
}

function decoded(text) {
	try {
		return decodeURIComponent(text);
	}
	catch {
		return text;
	}
}

function listHash(filters) {
	const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();
	return '#/' + (query ? '?' + query : '');
}

let typing = 0;

/** Filters go into the hash, so that a link shows the same; typing does not fill the history. */
function filter(changes, delay = 0) {
	const filters = { ...place().filters, page: undefined, ...changes };
	state.lastList = listHash(filters);
	history.replaceState(null, '', state.lastList);
	draw();
	clearTimeout(typing);
	typing = setTimeout(poll, delay);
}

const sourceHash = (name) => '#/sources/' + encodeURIComponent(name);
const tenantHash = (tenant) => '#/tenants/' + encodeURIComponent(tenant);

// ---------------------------------------------------------------------------------------------- asking the server

class Refused extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

async function ask(path, options = {}) {
	const response = await fetch('api/' + path, {
		redirect: 'manual', credentials: 'same-origin', cache: 'no-store', ...options,
		headers: { Accept: 'application/json', ...options.headers }
	});
	if (response.type === 'opaqueredirect' || response.status === 401) {
		throw new Refused(401, 'You are not signed in any more. Reload the page to sign in.');
	}
	const isJson = (response.headers.get('Content-Type') ?? '').includes('json');
	const body = isJson ? await response.json() : null;
	if (!response.ok) {
		throw new Refused(response.status, body?.detail ?? (response.status === 403 ? 'You may not do this.'
			: `The server answered ${response.status}.`));
	}
	if (!isJson) {
		throw new Refused(response.status, 'The server answered something that is not JSON.');
	}
	return body;
}

let timer = 0;
let pause = POLL;
let asking = null;

/** Asks now, and then again and again while somebody looks. */
async function poll() {
	rest();
	if (document.hidden) {
		return;
	}
	const mine = asking = new AbortController();
	const late = setTimeout(() => mine.abort('late'), PATIENCE);
	const here = place();
	try {
		const session = state.session ?? ask('session', { signal: mine.signal });
		await Promise.all([session, load(here, mine.signal)]);
		state.session = await session;
		document.title = state.session.application + ' – data sources';
		state.problem = null;
		answered();
	}
	catch (failure) {
		if (mine !== asking) {
			return;
		}
		if (failure instanceof Refused && failure.status < 500) {
			state.problem = { status: failure.status, text: failure.message };
			if (failure.status === 401 || failure.status === 403) {
				// Nothing that follows would be of use to whoever looks now.
				state.overview = state.detail = state.tenant = null;
			}
			answered();
			pause = failure.status === 404 ? POLL : 15000;
		}
		else {
			state.silentSince ??= state.answered ?? Date.now();
			pause = Math.min(LONGEST_PAUSE, pause * 2);
		}
	}
	finally {
		clearTimeout(late);
	}
	if (mine === asking) {
		asking = null;
		state.nextTry = Date.now() + pause;
		timer = setTimeout(poll, pause);
		draw();
	}
}

/** Nobody looks, so nobody asks. */
function rest() {
	clearTimeout(timer);
	const former = asking;
	asking = null;
	former?.abort();
}

function answered() {
	state.answered = Date.now();
	state.silentSince = null;
	pause = POLL;
}

async function load(here, signal) {
	if (here.view === 'source') {
		const detail = await ask('sources/' + encodeURIComponent(here.name), { signal });
		state.ahead = Date.parse(detail.now) - Date.now();
		state.detail = detail;
		return;
	}
	const query = new URLSearchParams({ size: String(SIZE), sort: 'state' });
	for (const key of ['search', 'state', 'product', 'origin', 'sort', 'page']) {
		if (here.filters[key]) {
			query.set(key, key === 'page' ? String(Math.max(0, Number(here.filters.page) - 1) || 0) : here.filters[key]);
		}
	}
	const overview = await ask('sources?' + query, { signal });
	state.ahead = Date.parse(overview.now) - Date.now();
	state.overview = overview;
	for (const source of overview.list.sources) {
		state.products.add(source.product);
	}
	if (here.view === 'tenants' && here.tenant) {
		state.tenant = await ask('tenants/' + encodeURIComponent(here.tenant), { signal });
	}
}

async function send(path, body) {
	const session = state.session;
	const headers = { 'Content-Type': 'application/json', 'X-Datasources-Page': '1' };
	if (session.csrf) {
		headers[session.csrf.header] = session.csrf.token;
	}
	return ask(path, { method: 'POST', body: JSON.stringify(body), headers });
}

/** A token that has become old, as after signing in again, is fetched once more. */
async function change(path, body) {
	try {
		return await send(path, body);
	}
	catch (failure) {
		if (!(failure instanceof Refused) || ![401, 403].includes(failure.status) || !state.session.csrf) {
			throw failure;
		}
		const former = state.session.csrf.token;
		state.session = await ask('session');
		if (!state.session.csrf || state.session.csrf.token === former) {
			throw failure;
		}
		return send(path, body);
	}
}

// ---------------------------------------------------------------------------------------------- what is being done

let lastTask = 0;

/** Something that takes its time: what is shown of it until somebody has seen it. */
async function task(title, work) {
	const mine = { id: ++lastTask, title, text: '', begun: Date.now(), status: 'running' };
	state.tasks = [mine, ...state.tasks].slice(0, 6);
	draw();
	try {
		mine.text = await work((text) => {
			mine.text = text;
			draw();
		});
		mine.status = 'done';
	}
	catch (failure) {
		mine.text = failure instanceof Refused ? failure.message : 'The server does not answer.';
		mine.status = 'failed';
	}
	mine.ended = Date.now();
	draw();
	poll();
	return mine.status === 'done';
}

const pausing = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

const operations = {
	retry: (name) => task(`Try ${name} again`, async () => (await change(`sources/${encodeURIComponent(name)}/retry`, {})).message),
	drain: (name) => task(`Drain ${name}`, async (tell) => {
		const path = `sources/${encodeURIComponent(name)}`;
		const done = await change(path + '/drain', {});
		for (let i = 0; done.outcome === 'draining' && i < 600; i++) {
			const source = (await ask(path)).details.source;
			if (source.state.status !== 'draining') {
				return 'Nothing of the former pool is open any more.';
			}
			const active = source.pool?.active;
			tell(active ? `Waits for ${plural(active, 'connection')} in use.` : 'Waits for connections in use.');
			await pausing(1000);
		}
		return done.message;
	}),
	migrate: (name) => task(`Migrate ${name}`, async (tell) => {
		// Who asks again waits for the migration that runs.
		for (;;) {
			const done = await change(`sources/${encodeURIComponent(name)}/migrate`, {});
			if (done.outcome !== 'running') {
				return done.message + (done.migrations ? ` ${plural(done.migrations.run, 'change set')} run`
					+ (done.migrations.pending ? `, ${done.migrations.pending} pending.` : ', none pending.') : '');
			}
			tell('Still running.');
			await pausing(500);
		}
	}),
	remove: async (name) => {
		const gone = await task(`Remove ${name}`, async () => (await change(`sources/${encodeURIComponent(name)}/remove`, {})).message);
		if (gone && place().name === name) {
			location.hash = state.lastList;
		}
	},
	replace: (name, body) => task(`Replace ${name}`, async () => (await change(`sources/${encodeURIComponent(name)}/replace`, body)).message),
	add: async (body) => {
		const added = await task(`Add ${body.name}`, async () => (await change('sources', body)).message);
		if (added) {
			location.hash = sourceHash(body.name);
		}
		return added;
	},
	map: (tenant, source) => task(`Map ${tenant} to ${source}`,
		async () => (await change(`tenants/${encodeURIComponent(tenant)}/map`, { source })).message),
	unmap: (tenant) => task(`Unmap ${tenant}`, async () => (await change(`tenants/${encodeURIComponent(tenant)}/unmap`, {})).message)
};

// ---------------------------------------------------------------------------------------------- small things

const plural = (count, one, many = one + 's') => `${number.format(count)} ${count === 1 ? one : many}`;
const now = () => Date.now() + state.ahead;

function span(millis) {
	const seconds = Math.max(0, Math.round(millis / 1000));
	if (seconds < 60) {
		return seconds + ' s';
	}
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) {
		return minutes + ' min';
	}
	const hours = Math.floor(minutes / 60);
	return hours < 48 ? `${hours} h ${minutes % 60} min` : Math.floor(hours / 24) + ' days';
}

/** How long ago, or in how long; the moment itself on hover. */
function moment(text) {
	if (!text) {
		return nothing;
	}
	const at = Date.parse(text);
	const ago = now() - at;
	return html`<time datetime=${text} title=${absolute.format(at)}>${ago < -500 ? 'in ' + span(-ago)
		: ago < 1000 ? 'now' : span(ago) + ' ago'}</time>`;
}

function lag(text) {
	const match = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(text ?? '');
	return match ? span(((Number(match[1] ?? 0) * 60 + Number(match[2] ?? 0)) * 60 + Number(match[3] ?? 0)) * 1000) : text;
}

/** A file's name and line tell enough in a table. */
function origin(text) {
	const match = /\[(?:.*[/\\])?([^/\\\]]+)\](?: - (\d+):\d+)?$/.exec(text);
	return match ? match[1] + (match[2] ? ':' + match[2] : '') : text;
}

/** How long something has been as it is. */
const lasting = (text) => text ? html`for <time datetime=${text} title=${absolute.format(Date.parse(text))}>${span(now() - Date.parse(text))}</time>` : nothing;

const badge = (status) => html`<span class="badge ${status}">${status.replaceAll('-', ' ')}</span>`;

/** Parts of a whole. The words beside it say the same. */
function bar(label, max, parts) {
	let left = 0;
	return html`<svg class="bar" role="img" aria-label=${label} viewBox="0 0 100 10" preserveAspectRatio="none">
		<rect class="track" width="100" height="10"></rect>
		${parts.map(([kind, count]) => {
			const width = max > 0 ? Math.min(100 - left, count * 100 / max) : 0;
			const x = left;
			left += width;
			return svg`<rect class=${kind} x=${x} width=${width} height="10"></rect>`;
		})}
	</svg>`;
}

function connections(pool) {
	if (!pool) {
		return html`<span class="none">–</span>`;
	}
	const label = `${pool.active} of ${pool.max} in use, ${pool.idle} idle` + (pool.pending ? `, ${pool.pending} waiting` : '');
	return html`<span class="pool" title=${label}>${bar(label, pool.max, [['active', pool.active], ['idle', pool.idle]])}
		<span class="figures">${pool.active}<span class="of">/${pool.max}</span></span>
		${pool.pending ? html`<span class="waiting">${pool.pending} waiting</span>` : nothing}</span>`;
}

function migrations(source) {
	const known = source.migrations;
	if (!known) {
		return html`<span class="none">–</span>`;
	}
	return html`<span class="migrations ${known.status}" title=${known.changeLog}>${{
		'up-to-date': 'up to date', failed: 'failed', unknown: 'not looked yet'
	}[known.status] ?? known.status}</span>`;
}

function exhausted(servers) {
	return servers.filter((server) => server.limit && server.waiting > 0 && server.inUse >= server.limit);
}

// ---------------------------------------------------------------------------------------------- the page

function page() {
	const here = place();
	const session = state.session;
	const tabs = [['list', '#/', 'Sources'], ['servers', '#/servers', 'Servers'], ['tenants', '#/tenants', 'Routes and tenants']];
	const view = here.view === 'source' ? 'list' : here.view;
	return html`
		<a class="skip" href="#content" @click=${skip}>Skip to the content</a>
		<header class="top">
			<div class="title"><strong>${session?.application ?? ''}</strong> <span>data sources</span></div>
			<nav aria-label="Views">${tabs.map(([key, hash, title]) => html`<a href=${key === 'list' ? state.lastList : hash}
				aria-current=${view === key ? 'page' : nothing}>${title}</a>`)}</nav>
			<div class="who">${freshness()}
				${session?.user ? html`<span class="user" title="You are signed in by this name">${session.user}</span>` : nothing}</div>
		</header>
		${silence()}
		<main id="content" tabindex="-1" class=${state.silentSince ? 'stale' : ''}>
			${state.problem ? problem() : nothing}
			${here.view === 'source' ? sourceView(here) : here.view === 'servers' ? serversView()
				: here.view === 'tenants' ? tenantsView(here) : listView(here)}
		</main>
		${tasks()}
		${dialog()}`;
}

function skip(event) {
	event.preventDefault();
	document.getElementById('content').focus();
}

function freshness() {
	const node = (state.detail ?? state.overview)?.node;
	return html`<span class="fresh" title=${node ? `As ${node} sees it; asked every ${POLL / 1000} s while you look` : ''}>${
		state.silentSince ? 'stale' : state.answered ? 'live' : '…'}</span>`;
}

function silence() {
	return html`<div class="silence" ?hidden=${!state.silentSince}>${state.silentSince
		? html`<span role="alert">The server does not answer. What you see is <strong>stale since ${clock.format(state.silentSince)}</strong>.</span>
			<span aria-hidden="true">${state.nextTry > Date.now() ? `Tried again in ${span(state.nextTry - Date.now())}.` : 'Trying…'}</span>
			<button type="button" @click=${poll}>Try now</button>` : nothing}</div>`;
}

const problem = () => html`<p class="problem" role="alert">${state.problem.text}
	${state.problem.status === 401 ? html`<button type="button" @click=${() => location.reload()}>Reload</button>` : nothing}</p>`;

const mayAct = () => state.session?.actions === true;

// ---------------------------------------------------------------------------------------------- the list

function listView(here) {
	const overview = state.overview;
	if (!overview) {
		return loading();
	}
	return html`<h1 class="unseen">Sources</h1>${attention(overview)}${toolbar(here, overview)}${table(here, overview.list)}${pager(here, overview.list)}`;
}

const loading = () => state.problem || state.silentSince ? nothing : html`<p class="quiet" role="status">Loading…</p>`;

/** What is broken, whatever the filters say: the first thing one wants to know. */
function attention(overview) {
	const total = overview.states.unavailable ?? 0;
	const servers = exhausted(overview.list.servers);
	if (!total && !servers.length) {
		return html`<section class="attention calm" aria-label="What needs attention"><p><span role="status">Nothing needs attention.</span>
			<span class="quiet">${plural(overview.list.known, 'source')} known, ${number.format(overview.states.open ?? 0)} open on this node.</span></p></section>`;
	}
	return html`<section class="attention" aria-labelledby="attention"><h2 id="attention" role="status">Needs attention:
		${[total ? `${plural(total, 'source')} unavailable` : '',
			servers.length ? `${plural(servers.length, 'server')} out of connections` : ''].filter(Boolean).join(', ')}</h2><ul>
		${servers.map((server) => html`<li><span class="badge exhausted">exhausted</span>
			<div><a href="#/servers">${server.server}</a>
			<p class="reason">All ${number.format(server.limit)} connections that this node may have are in use; ${number.format(server.waiting)} wait for one.</p></div></li>`)}
		${repeat(overview.broken, (source) => source.name, (source) => html`<li>${badge('unavailable')}
			<div><a href=${sourceHash(source.name)}>${source.name}</a>
				${source.displayName ? html`<span class="quiet">${source.displayName}</span>` : nothing}
				${source.migrations?.status === 'failed' ? html`<span class="badge failed">migration failed</span>` : nothing}
				${source.essential ? html`<span class="flag">essential</span>` : nothing}
				${source.fallback?.inUse ? html`<span class="flag">${source.fallback.source} is used instead</span>` : nothing}
				<p class="reason">${source.state.reason}</p>
				<p class="quiet">${lasting(source.state.since)}; next try ${moment(source.state.nextTry)}</p></div>
			${mayAct() ? html`<button type="button" aria-label="Try ${source.name} again" ?disabled=${busy(source.name)}
				@click=${() => operations.retry(source.name)}>Retry</button>` : nothing}</li>`)}</ul>
		${total > overview.broken.length ? html`<p><a href="#/?state=unavailable">All ${number.format(total)} that are unavailable</a></p>` : nothing}
	</section>`;
}

const busy = (name) => state.tasks.some((each) => each.status === 'running' && each.title.split(' ').includes(name));

function toolbar(here, overview) {
	const filters = here.filters;
	const states = overview.list.states;
	const all = Object.values(states).reduce((sum, count) => sum + count, 0);
	const chip = (key, title, count) => html`<button type="button" class="chip ${count ? key : ''}" aria-pressed=${(filters.state ?? '') === key}
		@click=${() => filter({ state: key })}>${title} <span class="count">${number.format(count)}</span></button>`;
	return html`<form class="toolbar" role="search" @submit=${(event) => event.preventDefault()}>
		<div class="chips" role="group" aria-label="Show by state">${chip('', 'All', all)}
			${STATES.map((key) => chip(key, key[0].toUpperCase() + key.slice(1), states[key] ?? 0))}</div>
		<div class="fields">
			<label><span>Search</span><input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="Name ( / )"
				.value=${live(filters.search ?? '')} @input=${(event) => filter({ search: event.target.value }, 150)}></label>
			<label><span>Product</span><select @change=${(event) => filter({ product: event.target.value })}>
				<option value="" ?selected=${!filters.product}>any</option>
				${[...new Set([...state.products, ...(filters.product ? [filters.product] : [])])].sort().map((product) =>
					html`<option value=${product} ?selected=${filters.product === product}>${product}</option>`)}</select></label>
			<label><span>Found in</span><input type="search" autocomplete="off" spellcheck="false" placeholder="any"
				.value=${live(filters.origin ?? '')} @input=${(event) => filter({ origin: event.target.value }, 150)}></label>
			${mayAct() ? html`<button type="button" class="primary" @click=${addDialog}>Add a source…</button>` : nothing}
		</div></form>`;
}

function table(here, list) {
	const sort = here.filters.sort ?? 'state';
	const descending = sort.startsWith('-');
	const by = descending ? sort.slice(1) : sort;
	const header = (column) => column.key ? html`<th scope="col" class=${column.key}
			aria-sort=${by === column.key ? (descending ? 'descending' : 'ascending') : 'none'}><button type="button"
			@click=${() => filter({ sort: by === column.key && !descending ? '-' + column.key : column.key })}>${column.title}</button></th>`
		: html`<th scope="col">${column.title}</th>`;
	return html`<p class="found" role="status">${list.total === list.known ? plural(list.total, 'source')
			: `${plural(list.total, 'source')} of ${number.format(list.known)}`}</p>
		<div class="scroll" role="region" aria-label="Table of sources" tabindex="0"><table class="sources">
		<thead><tr>${COLUMNS.map(header)}</tr></thead>
		<tbody>${repeat(list.sources, (source) => source.name, row)}</tbody></table></div>
		${list.total ? nothing : html`<p class="quiet empty">No source matches. <button type="button"
			@click=${() => filter({ search: '', state: '', product: '', origin: '' })}>Show all</button></p>`}`;
}

function row(source) {
	return html`<tr class=${source.state.status}>
		<td class="state">${badge(source.state.status)}</td>
		<th scope="row" class="name"><a href=${sourceHash(source.name)}>${source.name}</a>
			${source.displayName ? html`<span class="display">${source.displayName}</span>` : nothing}${flags(source)}</th>
		<td data-title="Product">${source.product}</td>
		<td data-title="Connections" class=${source.pool ? '' : 'blank'}>${connections(source.pool)}</td>
		<td data-title="Migrations" class=${source.migrations ? '' : 'blank'}>${migrations(source)}</td>
		<td data-title="Last error" class=${source.lastError ? '' : 'blank'}>${source.lastError ? html`<div class="error"><span class="message"
			title=${source.lastError.message}>${short(source)}</span> <span class="quiet">${moment(source.lastError.at)}</span></div>`
			: html`<span class="none">–</span>`}</td>
		<td data-title="Found in" class="origin" title=${source.origin}>${origin(source.origin)}</td></tr>`;
}

/** Its name stands beside it. */
function short(source) {
	const message = source.lastError.message;
	const name = `Source '${source.name}' `;
	return message.startsWith(name) ? message.slice(name.length) : message;
}

function flags(source) {
	return [source.readOnly && 'read-only', source.internal && 'internal', source.fallback?.inUse && 'fallback in use']
		.filter(Boolean).map((flag) => html`<span class="flag">${flag}</span>`);
}

function pager(here, list) {
	const pages = Math.max(1, Math.ceil(list.total / list.size));
	if (pages === 1 && list.page === 0) {
		return nothing;
	}
	const to = (target, title, label) => html`<button type="button" aria-label=${label} ?disabled=${target < 0 || target >= pages || target === list.page}
		@click=${() => { filter({ page: target ? String(target + 1) : '' }); document.querySelector('.scroll')?.scrollIntoView(); }}>${title}</button>`;
	const first = list.page * list.size;
	return html`<nav class="pager" aria-label="Pages">${to(0, '«', 'First page')}${to(list.page - 1, '‹ Previous', 'Previous page')}
		<span>${list.sources.length ? `${number.format(first + 1)}–${number.format(first + list.sources.length)} of ${number.format(list.total)}` : 'none'}</span>
		${to(list.page + 1, 'Next ›', 'Next page')}${to(pages - 1, '»', 'Last page')}</nav>`;
}

// ---------------------------------------------------------------------------------------------- servers

function serversView() {
	const overview = state.overview;
	if (!overview) {
		return loading();
	}
	const servers = [...overview.list.servers].sort((a, b) => fullness(b) - fullness(a) || a.server.localeCompare(b.server));
	return html`<h1>Servers</h1>
		<p class="quiet">Connections of this node to each database server, and how many it may have.</p>
		${servers.length ? html`<div class="scroll"><table class="servers"><thead><tr><th scope="col">Server</th><th scope="col">Budget</th>
			<th scope="col" class="number">In use</th><th scope="col" class="number">Idle</th><th scope="col" class="number">Limit</th>
			<th scope="col" class="number">Waiting</th><th scope="col" class="number" title="Idle connections that were closed for others since the start">Given up</th></tr></thead>
			<tbody>${repeat(servers, (server) => server.server, (server) => html`<tr><th scope="row">${server.server}
				${exhausted([server]).length ? html`<span class="badge exhausted">exhausted</span>` : nothing}</th>
				<td data-title="Budget" class="budget">${budget(server)}</td>
				<td data-title="In use" class="number">${number.format(server.inUse)}</td><td data-title="Idle" class="number">${number.format(server.idle)}</td>
				<td data-title="Limit" class="number">${server.limit ? number.format(server.limit) : 'none'}</td>
				<td data-title="Waiting" class="number ${server.waiting ? 'warn' : ''}">${number.format(server.waiting)}</td>
				<td data-title="Given up" class="number">${number.format(server.stolen)}</td></tr>`)}</tbody></table></div>`
			: html`<p class="empty quiet">No server has a budget yet: a server is known from its first connection on, and files need none.</p>`}`;
}

const fullness = (server) => server.limit ? (server.inUse + server.waiting) / server.limit : 0;

function budget(server) {
	const label = `${server.inUse} in use, ${server.idle} idle` + (server.limit ? ` of ${server.limit}` : ', not limited')
		+ (server.waiting ? `, ${server.waiting} waiting` : '');
	return bar(label, server.limit ?? server.inUse + server.idle, [[exhausted([server]).length ? 'full' : 'active', server.inUse], ['idle', server.idle]]);
}

// ---------------------------------------------------------------------------------------------- routes and tenants

function tenantsView(here) {
	const overview = state.overview;
	if (!overview) {
		return loading();
	}
	const find = (event) => {
		event.preventDefault();
		const tenant = new FormData(event.target).get('tenant').trim();
		state.tenant = null;
		location.hash = tenant ? tenantHash(tenant) : '#/tenants';
	};
	return html`<h1>Routes and tenants</h1>
		<form class="fields lookup" @submit=${find}><label><span>Where does a tenant go?</span><input name="tenant" autocomplete="off"
			spellcheck="false" placeholder="Tenant" .value=${here.tenant ?? ''} required></label><button class="primary">Look up</button></form>
		<div role="status">${here.tenant && state.tenant?.tenant === here.tenant && !state.problem ? tenantPlace(state.tenant) : nothing}</div>
		<h2>Routes <span class="quiet">the first that matches</span></h2>
		${overview.list.routes.length ? html`<div class="scroll"><table class="routes"><thead><tr><th scope="col">Tenants</th><th scope="col">Source</th></tr></thead>
			<tbody>${overview.list.routes.map((route) => html`<tr><td>${route.tenants.map((each) => html`<code>${each}</code> `)}</td>
			<td>${route.source ? named(route.source, overview) : (route.sources ?? []).map((each) => html`${named(each, overview)} `)}</td></tr>`)}</tbody></table></div>`
			: html`<p class="quiet">None: each tenant has the source of its own name.</p>`}
		<h2>Templates</h2>
		${overview.list.templates.length ? html`<div class="scroll"><table class="templates"><thead><tr><th scope="col">Template</th><th scope="col">Tenants</th>
			<th scope="col">URL</th><th scope="col">Made</th><th scope="col">Found in</th></tr></thead><tbody>${overview.list.templates.map((each) => html`<tr>
			<th scope="row">${each.name}</th><td data-title="Tenants"><code>${each.tenants}</code></td><td data-title="URL"><code>${each.url}</code></td>
			<td data-title="Made">${each.create.replaceAll('-', ' ')}</td><td data-title="Found in">${each.origin}</td></tr>`)}</tbody></table></div>`
			: html`<p class="quiet">None.</p>`}`;
}

/** A template is no source, and a route may have a name that is filled in. */
function named(source, overview) {
	return source.includes('{') || overview.list.templates.some((each) => each.name === source) ? html`<code>${source}</code>`
		: html`<a href=${sourceHash(source)}>${source}</a>`;
}

function tenantPlace(found) {
	const why = {
		mapping: 'mapped to it while the application runs', route: 'by a route', template: 'by a template',
		shards: 'placed among several', none: 'no route leads anywhere'
	}[found.rule] ?? found.rule;
	return html`<section class="card"><h2>${found.tenant}</h2><dl>
		<dt>Source</dt><dd>${found.source ? html`<a href=${sourceHash(found.source)}>${found.source}</a>`
			: found.candidates ? html`one of ${found.candidates.map((each) => html`<a href=${sourceHash(each)}>${each}</a> `)}` : 'none'}</dd>
		<dt>Why</dt><dd>${why}${found.route ? html`: <code>${found.route}</code>` : nothing}</dd>
		${found.problem ? html`<dt>Problem</dt><dd class="reason">${found.problem}</dd>` : nothing}</dl>
		${mayAct() ? html`<p class="actions"><button type="button" @click=${() => mapDialog(found.tenant, '')}>Map to a source…</button>
			${found.rule === 'mapping' ? html`<button type="button" @click=${() => unmapDialog(found.tenant)}>Unmap…</button>` : nothing}</p>` : nothing}</section>`;
}

// ---------------------------------------------------------------------------------------------- one source

function sourceView(here) {
	const detail = state.detail;
	if (!detail || detail.details.source.name !== here.name) {
		return html`<p><a class="back" href=${state.lastList}>‹ All sources</a></p>${state.problem ? html`<h1>${here.name}</h1>` : loading()}`;
	}
	if (state.problem?.status === 404) {
		return html`<p><a class="back" href=${state.lastList}>‹ All sources</a></p><h1>${here.name}</h1>`;
	}
	const { source, attributes, events, tenants, server } = detail.details;
	const status = source.state.status;
	return html`<p><a class="back" href=${state.lastList}>‹ All sources</a></p>
		<div class="headline"><h1>${source.name}</h1>${badge(status)}
			${source.state.since ? html`<span class="quiet">${lasting(source.state.since)}</span>` : nothing}
			${source.displayName ? html`<span class="display">${source.displayName}</span>` : nothing}</div>
		${mayAct() ? actions(source) : nothing}
		${status === 'unavailable' ? html`<section class="card bad"><h2>Unavailable</h2><p class="reason">${source.state.reason}</p>
			<p class="quiet">Next try ${moment(source.state.nextTry)}${source.fallback?.inUse
				? html`; <a href=${sourceHash(source.fallback.source)}>${source.fallback.source}</a> is used instead` : nothing}</p></section>` : nothing}
		<div class="columns">
		<section class="card plot"><h2>Connections</h2>${connectionsNow(source)}${plot(detail)}
			${server ? html`<div class="budget"><h3>Budget of ${server.server}</h3>${budget(server)}<p class="quiet">${plural(server.inUse, 'connection')} in use and
			${number.format(server.idle)} idle${server.limit ? ` of ${number.format(server.limit)}` : ', not limited'}, of all its sources;
			${number.format(server.waiting)} waiting</p></div>` : nothing}</section>
		<section class="card"><h2>What it is</h2><dl>
			<dt>URL</dt><dd><code>${source.url}</code></dd>
			<dt>Product</dt><dd>${source.product}</dd>
			${source.server ? html`<dt>Server</dt><dd>${source.server}</dd>` : nothing}
			<dt>Found in</dt><dd>${source.origin}</dd>
			${source.template ? html`<dt>Template</dt><dd>${source.template}</dd>` : nothing}
			<dt>Kind</dt><dd>${[source.essential ? 'essential' : 'not essential', source.readOnly ? 'read-only' : 'writable',
				source.internal ? 'no tenant reaches it' : ''].filter(Boolean).join(', ')}</dd>
			${source.fallback ? html`<dt>Fallback</dt><dd><a href=${sourceHash(source.fallback.source)}>${source.fallback.source}</a>${source.fallback.inUse ? ', in use' : ''}</dd>` : nothing}
			<dt>Migrations</dt><dd>${migrations(source)}${source.migrations ? html` ${moment(source.migrations.at)} <code>${source.migrations.changeLog}</code>` : ' not migrated'}
				${source.migrations?.error && status !== 'unavailable' ? html`<p class="reason">${source.migrations.error}</p>` : nothing}</dd>
			<dt>Last error</dt><dd>${status === 'unavailable' && source.lastError?.message === source.state.reason ? 'as above' : source.lastError ? html`<span class="reason">${source.lastError.message}</span> <span class="quiet">${moment(source.lastError.at)}</span>` : 'none that is remembered'}</dd>
			${Object.entries(attributes).map(([key, value]) => html`<dt class="own">${key}</dt><dd>${String(value)}</dd>`)}</dl></section>
		</div>
		${source.replicas ? html`<section class="card"><h2>Replicas</h2><div class="scroll"><table><thead><tr><th scope="col">Source</th><th scope="col">Use</th><th scope="col">Behind</th></tr></thead>
			<tbody>${source.replicas.map((each) => html`<tr><th scope="row"><a href=${sourceHash(each.source)}>${each.source}</a></th>
			<td>${each.inUse ? 'in use' : html`left out: ${each.reason}`}</td><td>${each.lag ? 'at most ' + lag(each.lag) : '–'}</td></tr>`)}</tbody></table></div></section>` : nothing}
		<section class="card"><h2>Events</h2>${events.length ? html`<ol class="events">${events.map((each) => html`<li><span class="when">${moment(each.at)}</span>
			<span class="type ${each.type}">${each.type.replaceAll('-', ' ')}</span> <span class="message">${each.message}</span></li>`)}</ol>`
			: html`<p class="quiet">Nothing has happened to it lately.</p>`}</section>
		<section class="card"><h2>Tenants <span class="quiet">mapped to it while the application runs</span></h2>
			${tenants == null ? html`<p class="quiet">Not read yet: that happens on this node when the first tenant comes.</p>` : tenants.length ? html`<ul class="tenants">${tenants.map((each) => html`<li><a
				href=${tenantHash(each)}>${each}</a></li>`)}</ul>${tenants.length >= 100 ? html`<p class="quiet">The first ${tenants.length}.</p>` : nothing}`
				: html`<p class="quiet">None. Those that routes lead here are not listed: <a href="#/tenants">look one up</a>.</p>`}</section>`;
}

function connectionsNow(source) {
	const pool = source.pool;
	return pool ? html`<p class="now">${connections(pool)} <span class="quiet">${number.format(pool.idle)} idle, ${number.format(pool.pending)} waiting</span></p>`
		: html`<p class="quiet">No pool is open on this node.</p>`;
}

function actions(source) {
	const status = source.state.status;
	const working = busy(source.name);
	const name = source.name;
	const button = (title, shown, click, kind = '') => shown
		? html`<button type="button" class=${kind} ?disabled=${working} @click=${click}>${title}</button>` : nothing;
	return html`<p class="actions" role="group" aria-label="Actions">
		${button('Retry', status === 'unavailable', () => operations.retry(name), 'primary')}
		${button('Drain…', status === 'open', () => drainDialog(name))}
		${button('Migrate…', source.migrations, () => migrateDialog(name))}
		${button('Map a tenant…', !source.internal, () => mapDialog('', name))}
		${button('Replace…', !source.template, () => replaceDialog(source))}
		${button('Remove…', !source.template, () => removeDialog(name), 'danger')}</p>`;
}

// ---------------------------------------------------------------------------------------------- the plot

let chart = null;
let loadingChart = null;

function plot(detail) {
	const samples = detail.samples;
	const seen = samples.active.filter((count) => count != null);
	const words = seen.length ? `At most ${Math.max(...seen)} in use and ${Math.max(...samples.waiting.map((count) => count ?? 0))} waiting in the last ${
		span(Math.max(...samples.secondsAgo) * 1000)}, seen while somebody had this page open.` : 'Drawn while this page is open.';
	if (!seen.length && !detail.details.source.pool) {
		return nothing;
	}
	return html`<div class="canvas"><canvas id="plot" role="img" aria-label=${'Connections over time. ' + words}></canvas></div><p class="quiet">${words}</p>`;
}

/** The library is fetched when there is something to be drawn. */
async function drawPlot() {
	const canvas = document.getElementById('plot');
	if (chart && chart.canvas !== canvas) {
		chart.destroy();
		chart = null;
	}
	if (!canvas || !state.detail) {
		return;
	}
	if (!window.Chart) {
		loadingChart ??= import('./chart.js/dist/chart.umd.min.js').then(drawPlot, () => { loadingChart = null; });
		return;
	}
	const samples = state.detail.samples;
	const points = (counts) => counts.map((y, i) => ({ x: -samples.secondsAgo[i], y }));
	const gaps = (data) => data.flatMap((point, i) => i && point.x - data[i - 1].x > 12 ? [{ x: point.x - 0.1, y: null }, point] : [point]);
	const colours = getComputedStyle(document.documentElement);
	const colour = (name) => colours.getPropertyValue('--' + name).trim();
	const line = (label, counts, name, fill) => ({
		label, data: gaps(points(counts)), borderColor: colour(name), backgroundColor: colour(name + '-soft'), fill, borderWidth: 1.5,
		pointRadius: 0, stepped: true, spanGaps: false
	});
	const sets = [line('In use', samples.active, 'active', 'origin'), line('Idle', samples.idle, 'idle', false), line('Waiting', samples.waiting, 'bad', false)];
	const most = state.detail.details.source.pool?.max ?? 1;
	const back = Math.max(60, Math.ceil(Math.max(0, ...samples.secondsAgo) / 60) * 60);
	if (!chart) {
		chart = new window.Chart(canvas, {
			type: 'line', data: { datasets: sets },
			options: {
				animation: false, responsive: true, maintainAspectRatio: false, normalized: true, parsing: false,
				interaction: { mode: 'index', intersect: false },
				scales: {
					x: { type: 'linear', min: -back, max: 0, grid: { color: colour('line') }, ticks: {
						color: colour('quiet'), maxRotation: 0, autoSkipPadding: 16,
						callback: (value) => value === 0 ? 'now' : value % 60 ? `−${-value} s` : `−${-value / 60} min` } },
					y: { min: 0, suggestedMax: most, grid: { color: colour('line') }, ticks: { color: colour('quiet'), precision: 0 } }
				},
				plugins: {
					legend: { position: 'bottom', labels: { color: colour('text'), boxWidth: 14, boxHeight: 2 } },
					tooltip: { callbacks: { title: (items) => items.length ? `${span(-items[0].parsed.x * 1000)} ago` : '' } }
				}
			}
		});
		return;
	}
	chart.data.datasets.forEach((set, i) => Object.assign(set, sets[i]));
	const { x, y } = chart.options.scales;
	x.min = -back;
	y.suggestedMax = most;
	for (const axis of [x, y]) {
		axis.grid.color = colour('line');
		axis.ticks.color = colour('quiet');
	}
	chart.options.plugins.legend.labels.color = colour('text');
	chart.update('none');
}

// ---------------------------------------------------------------------------------------------- tasks and dialogs

/** What is done, and what has become of it, is said once to whoever does not see it. */
function tasks() {
	return html`<section class="tasks" aria-label="What you have asked for" ?hidden=${!state.tasks.length}><ul aria-live="polite">
		${repeat(state.tasks, (each) => each.id, (each) => html`<li class=${each.status}><div><strong>${each.title}</strong>
			<span class="outcome">${{ running: 'is running', done: 'done', failed: 'failed' }[each.status]}</span>
			<span class="quiet" aria-hidden="true">${span((each.ended ?? Date.now()) - each.begun)}</span>
			${each.text ? html`<p>${each.text}</p>` : nothing}
			${each.status === 'running' ? html`<progress aria-label=${each.title}></progress>` : nothing}</div>
			${each.status === 'running' ? nothing : html`<button type="button" class="plain" aria-label="Dismiss: ${each.title}"
				@click=${() => { state.tasks = state.tasks.filter((other) => other !== each); draw(); }}>×</button>`}</li>`)}</ul></section>`;
}

function openDialog(dialog) {
	state.dialog = { ...dialog, key: ++lastTask };
	draw();
	const element = document.getElementById('dialog');
	element.showModal();
	(element.querySelector('[autofocus]') ?? element.querySelector('input, button'))?.focus();
}

function closeDialog() {
	document.getElementById('dialog')?.close();
}

function dialog() {
	const shown = state.dialog;
	return html`<dialog id="dialog" aria-labelledby="dialog-title" @close=${() => { state.dialog = null; draw(); }}>${shown
		? repeat([shown], (each) => each.key, () => html`<form method="dialog" @submit=${submitDialog}><h2 id="dialog-title">${shown.title}</h2>${shown.body}
			<p class="actions"><button type="button" ?autofocus=${!shown.fields} @click=${closeDialog}>Cancel</button>
			<button class=${shown.kind ?? 'primary'}>${shown.button}</button></p></form>`) : nothing}</dialog>`;
}

function submitDialog(event) {
	event.preventDefault();
	const data = new FormData(event.target);
	const submit = state.dialog.submit;
	closeDialog();
	submit(data);
}

const text = (data, name) => (data.get(name) ?? '').trim() || null;

function field(title, name, options = {}) {
	return html`<label><span>${title}</span><input name=${name} type=${options.type ?? 'text'} .value=${options.value ?? ''} ?required=${options.required}
		autocomplete=${options.type === 'password' ? 'new-password' : 'off'} spellcheck="false" autocapitalize="off" placeholder=${options.placeholder ?? ''}
		pattern=${options.pattern ?? nothing} maxlength=${options.maxlength ?? nothing} ?autofocus=${options.first}></label>`;
}

function addDialog() {
	openDialog({
		title: 'Add a source', button: 'Add', fields: true,
		body: html`<div class="fields">${field('Name', 'name', { required: true, first: true, maxlength: 64 })}
			${field('URL', 'url', { required: true, placeholder: 'jdbc:postgresql://host/database' })}
			${field('User', 'username')}${field('Password, or a reference to it', 'password', { type: 'password' })}${field('Name for people', 'displayName')}
			<label class="check"><input type="checkbox" name="readOnly"> <span>Read-only</span></label>
			<label class="check"><input type="checkbox" name="migrated"> <span>Migrate it with the change log for all sources</span></label></div>
			<p class="quiet">With a catalog it is kept there, for all nodes; otherwise it is known to this node, until its restart. It is opened at its first use.</p>`,
		submit: (data) => operations.add({
			name: text(data, 'name'), url: text(data, 'url'), username: text(data, 'username'), password: data.get('password') || null,
			displayName: text(data, 'displayName'), readOnly: data.has('readOnly'), migrated: data.has('migrated')
		})
	});
}

function replaceDialog(source) {
	openDialog({
		title: `Replace ${source.name}`, button: 'Replace', fields: true,
		body: html`<div class="fields">${field('New URL, empty to keep it', 'url', { first: true, placeholder: source.url })}${field('User', 'username')}
			${field('Password', 'password', { type: 'password' })}</div>
			<p class="quiet">With a URL, address, user and password are replaced as one. Without, only what you give. It is opened first, and left as it is if that
			fails; connections in use finish their work.</p>`,
		submit: (data) => operations.replace(source.name, { url: text(data, 'url'), username: text(data, 'username'), password: data.get('password') || null })
	});
}

function removeDialog(name) {
	openDialog({
		title: `Remove ${name}?`, button: 'Remove', kind: 'danger',
		body: html`<p>Nobody gets to it any more from now on; what is in use may finish. Its database is left alone. Without a catalog it is there again
			after a restart, if it was declared.</p>`,
		submit: () => operations.remove(name)
	});
}

function drainDialog(name) {
	openDialog({
		title: `Drain ${name}?`, button: 'Drain',
		body: html`<p>Its pool on this node closes as soon as the last connection comes back. The next use opens it again.</p>`,
		submit: () => operations.drain(name)
	});
}

function migrateDialog(name) {
	openDialog({
		title: `Migrate ${name}?`, button: 'Migrate',
		body: html`<p>What its change log has that its database has not is run now, for all nodes. It goes on serving meanwhile, and the migration goes on if you leave.</p>`,
		submit: () => operations.migrate(name)
	});
}

function mapDialog(tenant, source) {
	openDialog({
		title: 'Map a tenant', button: 'Map', fields: true,
		body: html`<div class="fields">${field('Tenant', 'tenant', { value: tenant, required: true, first: !tenant, maxlength: 64 })}
			${field('Source', 'source', { value: source, required: true, first: !!tenant })}</div>
			<p>Its work goes there from the next scope on, whatever the routes say. <strong>Nothing is copied.</strong></p>`,
		submit: (data) => operations.map(text(data, 'tenant'), text(data, 'source'))
	});
}

function unmapDialog(tenant) {
	openDialog({
		title: `Unmap ${tenant}?`, button: 'Unmap',
		body: html`<p>Its work goes where the routes lead, from the next scope on. <strong>Nothing is copied.</strong></p>`,
		submit: () => operations.unmap(tenant)
	});
}

// ---------------------------------------------------------------------------------------------- going on

let usable = false;

function draw() {
	render(page(), root);
	drawPlot();
	if (!usable && (state.overview || state.detail)) {
		usable = true;
		performance.mark('usable');
	}
}

let lastView = '';

function moved() {
	const here = place();
	if (here.view === 'list') {
		state.lastList = listHash(here.filters);
	}
	if (here.view !== 'source' || state.detail?.details.source.name !== here.name) {
		state.detail = null;
	}
	if (state.tenant?.tenant !== here.tenant) {
		state.tenant = null;
	}
	state.problem = null;
	draw();
	const view = here.view + (here.name ?? '');
	if (lastView && view !== lastView) {
		scrollTo(0, 0);
		document.getElementById('content').focus({ preventScroll: true });
	}
	lastView = view;
	poll();
}

addEventListener('hashchange', moved);
document.addEventListener('visibilitychange', () => document.hidden ? rest() : poll());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
addEventListener('keydown', (event) => {
	if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest('input, select, textarea, dialog')) {
		const search = document.getElementById('search');
		if (search) {
			event.preventDefault();
			search.focus();
			search.select();
		}
	}
});
// Times go on while nothing else does.
setInterval(() => { if (!document.hidden && (state.silentSince || state.tasks.some((each) => each.status === 'running'))) draw(); }, 1000);
moved();
