/*
 * One source: what it is, how it does, what has happened to it, and what can be done about it.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { repeat } from './lit-html/directives/repeat.js';
import { backToList, listHash, sourceHash, tenantHash } from './address.js';
import { drainDialog, mapDialog, migrateDialog, removeDialog, replaceDialog } from './dialogs.js';
import { operations } from './operations.js';
import { plot } from './plot.js';
import { draw, say, state } from './state.js';
import { busy } from './tasks.js';
import { action, badge, budget, connections, count, lag, lasting, loading, may, migrations, moment, nextTry, plural, spaced } from './words.js';

/** How long it is said that something was copied, in ms. */
const COPIED = 3000;

export function sourceView(here) {
	const detail = state.detail;
	const known = detail?.details.source.name === here.name;
	const body = known && state.problem?.status !== 404 ? detailed(detail)
		: known || state.problem ? html`<h1>${here.name}</h1>` : loading();
	// One template whatever is known, so that the way back stays under a finger or a focus.
	return html`<p><a class="back" href=${state.lastList} @click=${backToList}>‹ All sources</a></p>${body}`;
}

function detailed(detail) {
	const { source, events, operations: asked, tenants } = detail.details;
	return html`<div class="headline"><h1>${source.name}</h1>${badge(source.state.status)}
			${source.state.since ? html`<span class="quiet">${lasting(source.state.since)}</span>` : nothing}
			${source.displayName ? html`<span class="display">${source.displayName}</span>` : nothing}
			<button type="button" class="copy" title="All of this, for a ticket" @click=${() => copy(detail)}>${
				state.copied?.name === source.name && Date.now() - state.copied.at < COPIED ? state.copied.title : 'Copy as text'}</button></div>
		${actions(detail.details)}${draining(source)}${unavailable(source)}
		<div class="columns">${connectionsOf(detail)}${whatItIs(detail.details)}</div>
		${replicas(source)}${askedFor(asked)}${happened(events)}${tenantsOf(tenants)}`;
}

function actions(details) {
	const { source } = details;
	const status = source.state.status;
	const working = busy(source.name);
	const migrating = details.operations.some((each) => each.operation === 'migrate' && ['queued', 'running'].includes(each.status));
	const name = source.name;
	const buttons = [
		['retry', 'Retry', status === 'unavailable', () => operations.retry(name), 'primary'],
		['drain', 'Drain…', status === 'open', () => drainDialog(name)],
		['migrate', migrating ? 'Migrating…' : 'Migrate…', source.migrations, () => migrateDialog(name)],
		['map', 'Map a tenant…', !source.internal, () => mapDialog('', name)],
		['replace', 'Replace…', !source.template, () => replaceDialog(source)],
		['remove', 'Remove…', !source.template, () => removeDialog(details), 'danger']
	].filter(([key, , fits]) => fits && may(key));
	return buttons.length ? html`<p class="actions" role="group" aria-label="Actions">
		${repeat(buttons, ([key]) => key, ([key, title, , click, kind]) => action(title, working || key === 'migrate' && migrating, click, { kind }))}</p>` : nothing;
}

function draining(source) {
	const left = source.draining;
	return left ? html`<section class="card warn"><h2>Draining</h2><p>${plural(left.connections, 'connection')} of its former pool ${left.connections === 1 ? 'is' : 'are'} still in use,
		${lasting(left.since)}. What has not come back is closed ${moment(left.deadline)}.</p></section>` : nothing;
}

function unavailable({ state: { status, reason, nextTry: at }, fallback }) {
	return status === 'unavailable' ? html`<section class="card bad"><h2>Unavailable</h2><p class="reason">${reason}</p>
		<p class="quiet">${nextTry(at)}${fallback?.inUse
			? html`; <a href=${sourceHash(fallback.source)}>${fallback.source}</a> is used instead` : nothing}</p></section>` : nothing;
}

function connectionsOf(detail) {
	const { source, server } = detail.details;
	return html`<section class="card plot"><h2>Connections</h2>${connectionsNow(source)}${plot(detail)}
		${server ? html`<div class="budget"><h3>Budget of ${server.server}</h3>${budget(server)}<p class="quiet">${plural(server.inUse, 'connection')} in use and
		${count(server.idle)} idle${server.limit ? ` of ${count(server.limit)}` : ', not limited'}, of all its sources;
		${count(server.waiting)} waiting</p></div>` : nothing}</section>`;
}

function connectionsNow(source) {
	const pool = source.pool;
	return pool ? html`<p class="now">${connections(pool)} <span class="quiet">${count(pool.idle)} idle, ${count(pool.pending)} waiting</span></p>`
		: html`<p class="quiet">No pool is open on this node.</p>`;
}

function whatItIs({ source, attributes }) {
	const unavailable = source.state.status === 'unavailable';
	return html`<section class="card"><h2>What it is</h2><dl>
		<dt>URL</dt><dd><code>${source.url}</code></dd>
		<dt>Product</dt><dd>${source.product}</dd>
		${source.server ? html`<dt>Server</dt><dd><a href=${listHash({ server: source.server })}>${source.server}</a></dd>` : nothing}
		<dt>Found in</dt><dd>${source.origin}</dd>
		${source.template ? html`<dt>Template</dt><dd>${source.template}</dd>` : nothing}
		<dt>Kind</dt><dd>${[source.essential ? 'essential' : 'not essential', source.readOnly ? 'read-only' : 'writable',
			source.internal ? 'no tenant reaches it' : ''].filter(Boolean).join(', ')}</dd>
		${source.fallback ? html`<dt>Fallback</dt><dd><a href=${sourceHash(source.fallback.source)}>${source.fallback.source}</a>${source.fallback.inUse ? ', in use' : ''}</dd>` : nothing}
		<dt>Migrations</dt><dd>${migrations(source)}${source.migrations ? html` ${moment(source.migrations.at)} <code>${source.migrations.changeLog}</code>` : ' not migrated'}
			${source.migrations?.error && !unavailable ? html`<p class="reason">${source.migrations.error}</p>` : nothing}</dd>
		<dt>Last error</dt><dd>${unavailable && source.lastError?.message === source.state.reason ? 'as above'
			: source.lastError ? html`<span class="reason">${source.lastError.message}</span> <span class="quiet">${moment(source.lastError.at)}</span>`
			: 'none that is remembered'}</dd>
		${Object.entries(attributes).map(([key, value]) => html`<dt class="own">${key}</dt><dd>${String(value)}</dd>`)}</dl></section>`;
}

function replicas(source) {
	return source.replicas ? html`<section class="card"><h2>Replicas</h2><div class="scroll"><table><thead><tr><th scope="col">Source</th><th scope="col">Use</th><th scope="col">Behind</th></tr></thead>
		<tbody>${source.replicas.map((each) => html`<tr><th scope="row"><a href=${sourceHash(each.source)}>${each.source}</a></th>
		<td data-title="Use">${each.inUse ? 'in use' : html`left out: ${each.reason}`}</td><td data-title="Behind">${each.lag ? 'at most ' + lag(each.lag) : '–'}</td></tr>`)}</tbody></table></div></section>` : nothing;
}

function askedFor(asked) {
	return asked.length ? html`<section class="card"><h2>Asked for by operators <span class="quiet">on this node</span></h2><ol class="asked">${asked.map((each) => html`<li>
		<span class="when">${moment(each.ended ?? each.since)}</span> <span class="type ${each.status}">${each.operation} ${each.status === 'done' ? spaced(each.outcome ?? 'done') : each.status}</span>
		<span class="message">${each.by ?? 'somebody'} by ${each.via}${each.message ? ': ' + each.message : ''}</span></li>`)}</ol></section>` : nothing;
}

function happened(events) {
	return html`<section class="card"><h2>Events</h2>${events.length ? html`<ol class="events" tabindex="0" aria-label="Events">${events.map((each) => html`<li>
		<span class="when">${moment(each.at)}</span> <span class="type ${each.type}">${spaced(each.type)}</span> <span class="message">${each.message}</span></li>`)}</ol>`
		: html`<p class="quiet">Nothing has happened to it lately.</p>`}</section>`;
}

function tenantsOf(tenants) {
	return html`<section class="card"><h2>Tenants <span class="quiet">mapped to it while the application runs</span></h2>
		${tenants == null ? html`<p class="quiet">Not read yet: that happens on this node when the first tenant comes.</p>`
			: tenants.length ? html`<ul class="tenants">${tenants.map((each) => html`<li><a href=${tenantHash(each)}>${each}</a></li>`)}</ul>
				${tenants.length >= 100 ? html`<p class="quiet">The first ${tenants.length}.</p>` : nothing}`
			: html`<p class="quiet">None. Those that routes lead here are not listed: <a href="#/tenants">look one up</a>.</p>`}</section>`;
}

async function copy(detail) {
	const { name } = detail.details.source;
	const done = await toClipboard(asText(detail)).catch(() => false);
	state.copied = { name, at: Date.now(), title: done ? 'Copied' : 'Not copied' };
	say(done ? `What is known of ${name} is copied.` : 'The browser does not let it be copied.');
	draw();
}

/** Whether it could be done. Without TLS, a browser has no clipboard for a page, but for what somebody has selected. */
async function toClipboard(text) {
	if (navigator.clipboard) {
		await navigator.clipboard.writeText(text);
		return true;
	}
	const focused = document.activeElement;
	const area = document.body.appendChild(document.createElement('textarea'));
	area.value = text;
	area.select();
	const done = document.execCommand('copy');
	area.remove();
	focused?.focus({ preventScroll: true });
	return done;
}

/** With moments as such: whoever reads it does so later, and elsewhere. */
function asText({ now, node, details: { source, attributes, events, operations: asked, server, tenants } }) {
	const { status, since, reason } = source.state;
	const { pool, migrations: migrated, lastError } = source;
	return [
		`Source ${source.name}${source.displayName ? ` (${source.displayName})` : ''} of ${state.session?.application ?? 'the application'}`,
		`At ${now}, on node ${node}`,
		`State: ${status}${since ? ` since ${since}` : ''}${reason ? `: ${reason}` : ''}`,
		`URL: ${source.url}`,
		`Product: ${source.product}`,
		`Found in: ${source.origin}`,
		pool ? `Connections: ${pool.active} of ${pool.max} in use, ${pool.idle} idle, ${pool.pending} waiting` : 'Connections: no pool is open',
		server ? `Budget of ${server.server}: ${server.inUse} in use, ${server.idle} idle, limit ${server.limit ?? 'none'}, ${server.waiting} waiting` : '',
		migrated ? `Migrations: ${migrated.status}, ${migrated.changeLog}${migrated.error ? `: ${migrated.error}` : ''}` : 'Migrations: none',
		lastError ? `Last error: ${lastError.at} ${lastError.message}` : '',
		...Object.entries(attributes).map(([key, value]) => `${key}: ${value}`),
		tenants?.length ? `Tenants mapped to it: ${tenants.join(', ')}` : '',
		...asked.map((each) => `${each.ended ?? each.since} ${each.operation} ${each.status} by ${each.by ?? 'somebody'}${each.message ? `: ${each.message}` : ''}`),
		...events.map((each) => `${each.at} ${each.type}: ${each.message}`)
	].filter(Boolean).join('\n');
}
