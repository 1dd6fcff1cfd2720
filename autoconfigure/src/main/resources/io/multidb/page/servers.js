/*
 * The database servers, and how many connections this node may have to each.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { repeat } from './lit-html/directives/repeat.js';
import { listHash } from './address.js';
import { state } from './state.js';
import { budget, count, cutAt, exhausted, fullness, loading } from './words.js';

export function serversView() {
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
			<tbody>${repeat(servers, (server) => server.server, (server) => html`<tr><th scope="row"><a href=${listHash({ server: server.server })} title="Its sources">${server.server}</a>
				${exhausted(server) ? html`<span class="badge exhausted">exhausted</span>` : nothing}</th>
				<td data-title="Budget" class="budget">${budget(server)}</td>
				<td data-title="In use" class="number">${count(server.inUse)}</td><td data-title="Idle" class="number">${count(server.idle)}</td>
				<td data-title="Limit" class="number">${server.limit ? count(server.limit) : 'none'}</td>
				<td data-title="Waiting" class="number ${server.waiting ? 'warn' : ''}">${count(server.waiting)}</td>
				<td data-title="Given up" class="number">${count(server.stolen)}</td></tr>`)}</tbody></table></div>${cutAt(servers, overview.list.totals.servers)}`
			: html`<p class="empty quiet">No server has a budget yet: a server is known from its first connection on, and files need none.</p>`}`;
}
