/*
 * What somebody should look at, whatever the filters of the list say: the first thing one wants to know.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { repeat } from './lit-html/directives/repeat.js';
import { sourceHash } from './address.js';
import { operations } from './operations.js';
import { busy } from './tasks.js';
import { action, badge, count, lasting, may, moment, nextTry, plural } from './words.js';

/** All of it in words; empty if it is nothing. */
export function attentionLine({ unavailable, servers, waiting, migrationsFailed, replicasLeftOut, catalog }) {
	return [unavailable.total ? `${plural(unavailable.total, 'source')} unavailable` : '',
		servers.total ? `${plural(servers.total, 'server')} out of connections` : '',
		waiting.total ? `threads wait for connections of ${plural(waiting.total, 'source')}` : '',
		migrationsFailed.total ? `${plural(migrationsFailed.total, 'source')} not migrated` : '',
		catalog?.error ? 'the catalog cannot be read' : '',
		catalog?.refused ? `${plural(catalog.refused, 'definition')} not used` : '',
		replicasLeftOut.total ? `a replica of ${plural(replicasLeftOut.total, 'source')} left out` : ''].filter(Boolean).join(', ');
}

export function attention(overview) {
	const found = overview.list.attention;
	const line = attentionLine(found);
	const draining = found.draining.total ? html`<p class="quiet">${plural(found.draining.total, 'source was', 'sources were')} drained, replaced or removed while in use:
		${repeat(found.draining.first, (source) => source.name, (source) => html`<a href=${sourceHash(source.name)}>${source.name}</a> (${plural(source.draining.connections, 'connection')}) `)}</p>` : nothing;
	if (!line) {
		return html`<section class="attention calm" aria-label="What needs attention"><p>Nothing needs attention.
			<span class="quiet">${plural(overview.list.known, 'source')} known, ${count(found.states.open ?? 0)} open on this node.</span></p>${draining}</section>`;
	}
	const { unavailable, servers, waiting, migrationsFailed, replicasLeftOut, catalog } = found;
	return html`<section class="attention" aria-labelledby="attention"><h2 id="attention">Needs attention: ${line}</h2><ul>
		${repeat(unavailable.first, (source) => source.name, (source) => html`<li data-source=${source.name}>${badge('unavailable')}
			<div>${essentials(source)}
				${source.migrations?.status === 'failed' ? html`<span class="badge failed">migration failed</span>` : nothing}
				${source.fallback?.inUse ? html`<span class="flag">${source.fallback.source} is used instead</span>` : nothing}
				<p class="reason">${source.state.reason}</p>
				<p class="quiet">${lasting(source.state.since)}; ${nextTry(source.state.nextTry)}</p></div>
			${may('retry') ? action('Retry', busy(source.name), () => operations.retry(source.name), { label: `Try ${source.name} again` }) : nothing}</li>`)}
		${more(unavailable, html`<a href="#/?state=unavailable">All ${count(unavailable.total)} that are unavailable</a>`)}
		${repeat(servers.first, (server) => server.server, (server) => html`<li><span class="badge exhausted">exhausted</span>
			<div><a href="#/servers">${server.server}</a>
			<p class="reason">All ${count(server.limit)} connections that this node may have are in use; ${count(server.waiting)} wait for one.</p></div></li>`)}
		${more(servers, html`<a href="#/servers">All ${count(servers.total)} servers</a>`)}
		${repeat(waiting.first, (source) => source.name, (source) => html`<li data-source=${source.name}><span class="badge exhausted">waiting</span>
			<div>${essentials(source)}<p class="reason">${source.pool ? `${plural(source.pool.pending, 'thread waits', 'threads wait')} for a connection; ${
				count(source.pool.active)} of ${count(source.pool.max)} are in use.` : ''}</p></div></li>`)}
		${more(waiting, html`<a href="#/?sort=active">All, the most connections first</a>`)}
		${repeat(migrationsFailed.first, (source) => source.name, (source) => html`<li data-source=${source.name}><span class="badge failed">not migrated</span>
			<div>${essentials(source)} goes on as it was.<p class="reason">${source.migrations?.error}</p></div></li>`)}
		${more(migrationsFailed, html`The first of ${count(migrationsFailed.total)}.`)}
		${catalog?.error ? html`<li><span class="badge failed">catalog</span><div><strong>It cannot be read</strong>, so changes by others do not arrive.
			<p class="reason">${catalog.error}</p><p class="quiet">Last read ${catalog.readAt ? moment(catalog.readAt) : 'never'}</p></div></li>` : nothing}
		${repeat(Object.entries(catalog?.reasons ?? {}), ([name]) => name, ([name, reason]) => html`<li data-source=${name}><span class="badge failed">not used</span>
			<div><a href=${sourceHash(name)}>${name}</a><p class="reason">${reason}</p></div></li>`)}
		${catalog?.refused > Object.keys(catalog?.reasons ?? {}).length ? html`<li class="quiet">The first of ${count(catalog.refused)} that are not used.</li>` : nothing}
		${repeat(replicasLeftOut.first, (source) => source.name, (source) => html`<li data-source=${source.name}><span class="badge draining">left out</span>
			<div>${essentials(source)}${(source.replicas ?? []).filter((each) => !each.inUse).map((each) => html`<p class="reason">${each.source}: ${each.reason}</p>`)}</div></li>`)}
		${more(replicasLeftOut, html`The first of ${count(replicasLeftOut.total)}.`)}</ul>${draining}</section>`;
}

const more = (some, link) => some.total > some.first.length ? html`<li>${link}</li>` : nothing;

const essentials = (source) => html`<a href=${sourceHash(source.name)}>${source.name}</a>
	${source.displayName ? html`<span class="display">${source.displayName}</span>` : nothing}
	${source.essential ? html`<span class="flag">essential</span>` : nothing}`;
