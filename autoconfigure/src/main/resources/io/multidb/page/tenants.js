/*
 * Where a tenant goes, and the routes and templates that say so.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { sourceHash, tenantHash } from './address.js';
import { mapDialog, unmapDialog } from './dialogs.js';
import { state } from './state.js';
import { cutAt, loading, may, spaced } from './words.js';

export function tenantsView(here) {
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
		${state.tenantProblem ? html`<p class="problem" role="alert">${state.tenantProblem}</p>` : nothing}
		<div role="status">${here.tenant && state.tenant?.tenant === here.tenant && !state.problem ? tenantPlace(state.tenant) : nothing}</div>
		<h2>Routes <span class="quiet">the first that matches</span></h2>
		${overview.list.routes.length ? html`<div class="scroll"><table class="routes"><thead><tr><th scope="col">Tenants</th><th scope="col">Source</th></tr></thead>
			<tbody>${overview.list.routes.map((route) => html`<tr><td>${route.tenants.map((each) => html`<code>${each}</code> `)}</td>
			<td>${route.source ? named(route.source, overview) : (route.sources ?? []).map((each) => html`${named(each, overview)} `)}</td></tr>`)}</tbody></table></div>${cutAt(overview.list.routes, overview.list.totals.routes)}`
			: html`<p class="quiet">None: each tenant has the source of its own name.</p>`}
		<h2>Templates</h2>
		${overview.list.templates.length ? html`<div class="scroll"><table class="templates"><thead><tr><th scope="col">Template</th><th scope="col">Tenants</th>
			<th scope="col">URL</th><th scope="col">Made</th><th scope="col">Found in</th></tr></thead><tbody>${overview.list.templates.map((each) => html`<tr>
			<th scope="row">${each.name}</th><td data-title="Tenants"><code>${each.tenants}</code></td><td data-title="URL"><code>${each.url}</code></td>
			<td data-title="Made">${spaced(each.create)}</td><td data-title="Found in">${each.origin}</td></tr>`)}</tbody></table></div>${cutAt(overview.list.templates, overview.list.totals.templates)}`
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
		<p class="actions">${may('map') ? html`<button type="button" @click=${() => mapDialog(found.tenant, '')}>Map to a source…</button>` : nothing}
			${may('unmap') && found.rule === 'mapping' ? html`<button type="button" @click=${() => unmapDialog(found.tenant)}>Unmap…</button>` : nothing}</p></section>`;
}
