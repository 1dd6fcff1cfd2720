/*
 * The list of sources, its filters and its pages.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { live } from './lit-html/directives/live.js';
import { repeat } from './lit-html/directives/repeat.js';
import { listHash, place, sourceHash } from './address.js';
import { attention } from './attention.js';
import { addDialog } from './dialogs.js';
import { poll } from './poll.js';
import { draw, state } from './state.js';
import { action, badge, connections, count, loading, may, migrations, moment, origin, plural } from './words.js';

const STATES = ['unavailable', 'opening', 'draining', 'open', 'cold'];
/** The order of a key, and that turned around, in words; the first one lists the most first if it says so. */
const COLUMNS = [
	{ key: 'state', title: 'State', orders: ['broken first', 'broken last'] },
	{ key: 'name', title: 'Source', orders: ['A to Z', 'Z to A'] },
	{ key: 'product', title: 'Product', orders: ['A to Z', 'Z to A'] },
	{ key: 'active', title: 'Connections', orders: ['most first', 'least first'], mostFirst: true },
	{ title: 'Migrations' }, { title: 'Last error' },
	{ key: 'origin', title: 'Found in', orders: ['A to Z', 'Z to A'] }
];

export function listView(here) {
	const overview = state.overview;
	if (!overview) {
		return loading();
	}
	return html`<h1 class="unseen">Sources</h1>${attention(overview)}${toolbar(here, overview)}${table(here, overview.list)}${pager(here, overview.list)}`;
}

let typing = 0;

/** Filters go into the hash, so that a link shows the same; typing does not fill the history. */
function filter(changes, delay = 0) {
	const filters = { ...place().filters, page: undefined, ...changes };
	state.lastList = listHash(filters);
	history.replaceState(history.state, '', state.lastList);
	draw();
	clearTimeout(typing);
	typing = setTimeout(poll, delay);
}

function toolbar(here, overview) {
	const filters = here.filters;
	const states = overview.list.states;
	const all = Object.values(states).reduce((sum, count) => sum + count, 0);
	const chip = (key, title, of) => html`<button type="button" class="chip ${of ? key : ''}" aria-pressed=${(filters.state ?? '') === key}
		@click=${() => filter({ state: key })}>${title} <span class="count">${count(of)}</span></button>`;
	return html`<form class="toolbar" role="search" @submit=${(event) => event.preventDefault()}>
		<div class="chips" role="group" aria-label="Show by state">${chip('', 'All', all)}
			${STATES.map((key) => chip(key, key[0].toUpperCase() + key.slice(1), states[key] ?? 0))}</div>
		<div class="fields">
			<label><span>Search</span><input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="Name ( / )"
				.value=${live(filters.search ?? '')} @input=${(event) => filter({ search: event.target.value }, 150)}></label>
			<label><span>Product</span><select @change=${(event) => filter({ product: event.target.value })}>
				<option value="" .selected=${live(!filters.product)}>any</option>
				${[...new Set([...overview.list.products, ...(filters.product ? [filters.product] : [])])].sort().map((product) =>
					html`<option value=${product} .selected=${live(filters.product === product)}>${product}</option>`)}</select></label>
			<label><span>Found in</span><input type="search" autocomplete="off" spellcheck="false" placeholder="any"
				.value=${live(filters.origin ?? '')} @input=${(event) => filter({ origin: event.target.value }, 150)}></label>
			${filters.server ? html`<button type="button" class="server" aria-label="Show all servers, not only ${filters.server}"
				@click=${() => filter({ server: '' })}>On ${filters.server} ×</button>` : nothing}
			<label class="narrow"><span>Sort by</span><select @change=${(event) => filter({ sort: event.target.value })}>
				${COLUMNS.filter((column) => column.key).flatMap((column) => column.orders.map((words, i) => [(i ? '-' : '') + column.key, `${column.title}, ${words}`]))
					.map(([key, title]) => html`<option value=${key} .selected=${live((filters.sort ?? 'state') === key)}>${title}</option>`)}</select></label>
			${may('add') ? html`<button type="button" class="primary" @click=${addDialog}>Add a source…</button>` : nothing}
		</div></form>`;
}

function table(here, list) {
	const sort = here.filters.sort ?? 'state';
	const descending = sort.startsWith('-');
	const by = descending ? sort.slice(1) : sort;
	const header = (column) => column.key ? html`<th scope="col" class=${column.key}
			aria-sort=${by === column.key ? (descending !== !!column.mostFirst ? 'descending' : 'ascending') : 'none'}><button type="button"
			@click=${() => filter({ sort: by === column.key && !descending ? '-' + column.key : column.key })}>${column.title}</button></th>`
		: html`<th scope="col">${column.title}</th>`;
	const { sources, held } = steady(here, list.sources);
	return html`<p class="found" role="status">${list.total === list.known ? plural(list.total, 'source')
			: `${plural(list.total, 'source')} of ${count(list.known)}`}${held ? html`<span class="quiet">, in the former order while you point at one</span>` : nothing}</p>
		<div class="scroll" role="region" aria-label="Table of sources" tabindex="0"><table class="sources">
		<thead><tr>${COLUMNS.map(header)}</tr></thead>
		<tbody>${repeat(sources, (source) => source.name, row)}</tbody></table></div>
		${list.total ? nothing : html`<p class="quiet empty">No source matches. <button type="button"
			@click=${() => filter({ search: '', state: '', product: '', origin: '', server: '' })}>Show all</button></p>`}`;
}

let shown = { query: '', names: [] };

/** Nothing moves away from under a pointer, or a focus. */
function steady(here, sources) {
	const query = listHash(here.filters);
	let held = false;
	if (query === shown.query && document.querySelector('table.sources tbody:is(:hover, :focus-within)')) {
		const former = new Map(shown.names.map((name, i) => [name, i]));
		const placed = (source) => former.get(source.name) ?? former.size;
		const sorted = [...sources].sort((a, b) => placed(a) - placed(b));
		held = sorted.some((source, i) => source !== sources[i]);
		sources = sorted;
	}
	shown = { query, names: sources.map((source) => source.name) };
	return { sources, held };
}

function row(source) {
	return html`<tr class=${source.state.status} data-source=${source.name}>
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
	return [source.readOnly && 'read-only', source.internal && 'internal', source.draining && 'drains', source.fallback?.inUse && 'fallback in use']
		.filter(Boolean).map((flag) => html`<span class="flag">${flag}</span>`);
}

function pager(here, list) {
	const pages = Math.max(1, Math.ceil(list.total / list.size));
	if (pages === 1 && list.page === 0) {
		return nothing;
	}
	const to = (target, title, label) => action(title, target < 0 || target >= pages || target === list.page, () => {
		filter({ page: target ? String(target + 1) : '' });
		document.querySelector('.scroll')?.scrollIntoView();
	}, { label });
	const first = list.page * list.size;
	return html`<nav class="pager" aria-label="Pages">${to(0, '«', 'First page')}${to(list.page - 1, '‹ Previous', 'Previous page')}
		<span>${list.sources.length ? `${count(first + 1)}–${count(first + list.sources.length)} of ${count(list.total)}` : 'none'}</span>
		${to(list.page + 1, 'Next ›', 'Next page')}${to(pages - 1, '»', 'Last page')}</nav>`;
}
