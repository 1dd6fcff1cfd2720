/*
 * Asking an operator what he wants, or whether he does, before an operation.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { repeat } from './lit-html/directives/repeat.js';
import { operations } from './operations.js';
import { draw, state } from './state.js';
import { forget } from './tasks.js';
import { plural } from './words.js';

let lastDialog = 0;

function openDialog(dialog) {
	state.dialog = { ...dialog, key: ++lastDialog };
	draw();
	const element = document.getElementById('dialog');
	element.showModal();
	(element.querySelector('[autofocus]') ?? element.querySelector('input, button'))?.focus();
}

function closeDialog() {
	document.getElementById('dialog')?.close();
}

/** The one that is open, if one is. */
export function dialog() {
	const shown = state.dialog;
	return html`<dialog id="dialog" aria-labelledby="dialog-title" @close=${closed}>${shown
		? repeat([shown], (each) => each.key, () => html`<form method="dialog" @submit=${submitDialog}><h2 id="dialog-title">${shown.title}</h2>${shown.body}
			${shown.problem ? html`<p class="problem" role="alert">${shown.problem}</p>` : nothing}
			<p class="actions"><button type="button" ?autofocus=${!shown.fields} @click=${closeDialog}>Cancel</button>
			<button class=${shown.kind ?? 'primary'} aria-disabled=${shown.working ? 'true' : nothing}>${shown.button}${shown.working ? '…' : ''}</button></p></form>`)
		: nothing}</dialog>`;
}

function closed() {
	state.dialog = null;
	draw();
	// Where one came from may be gone.
	if (document.activeElement === document.body) {
		document.getElementById('content').focus({ preventScroll: true });
	}
}

/** What was filled in stays until it has been accepted. */
async function submitDialog(event) {
	event.preventDefault();
	const shown = state.dialog;
	if (shown.working) {
		return;
	}
	if (!shown.fields) {
		// Nothing was filled in.
		closeDialog();
		shown.submit();
		return;
	}
	shown.working = true;
	shown.problem = null;
	draw();
	const ended = await shown.submit(new FormData(event.target));
	shown.working = false;
	if (state.dialog !== shown) {
		return;
	}
	if (ended.status === 'failed') {
		shown.problem = ended.text;
		forget(ended);
		draw();
	}
	else if (ended.status === 'unknown') {
		shown.problem = `It is ${ended.outcome}. ${ended.text}`;
		draw();
	}
	else {
		closeDialog();
	}
}

const text = (data, name) => (data.get(name) ?? '').trim() || null;

function field(title, name, options = {}) {
	return html`<label><span>${title}</span><input name=${name} type=${options.type ?? 'text'} .value=${options.value ?? ''} ?required=${options.required}
		autocomplete=${options.type === 'password' ? 'new-password' : 'off'} spellcheck="false" autocapitalize="off" placeholder=${options.placeholder ?? ''}
		pattern=${options.pattern ?? nothing} maxlength=${options.maxlength ?? nothing} ?autofocus=${options.first}></label>`;
}

export function addDialog() {
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

export function replaceDialog(source) {
	openDialog({
		title: `Replace ${source.name}`, button: 'Replace', fields: true,
		body: html`<div class="fields">${field('New URL, empty to keep it', 'url', { first: true, placeholder: source.url })}${field('User', 'username')}
			${field('Password', 'password', { type: 'password' })}</div>
			<p class="quiet">With a URL, address, user and password are replaced as one. Without, only what you give. It is opened first, and left as it is if that
			fails; connections in use finish their work.</p>`,
		submit: (data) => operations.replace(source.name, { url: text(data, 'url'), username: text(data, 'username'), password: data.get('password') || null })
	});
}

export function removeDialog({ source, tenants }) {
	const affected = [source.essential ? 'It is essential: without it, health is down.' : '',
		source.pool?.active ? `${plural(source.pool.active, 'connection')} ${source.pool.active === 1 ? 'is' : 'are'} in use on this node.` : '',
		tenants?.length ? `${plural(tenants.length, 'tenant is', 'tenants are')}${tenants.length >= 100 ? ' or more' : ''} mapped to it.` : ''].filter(Boolean);
	openDialog({
		title: `Remove ${source.name}?`, button: 'Remove', kind: 'danger',
		body: html`${affected.length ? html`<p><strong>${affected.join(' ')}</strong></p>` : nothing}
			<p>Nobody gets to it any more from now on; what is in use may finish. Its database is left alone. What the catalog has is removed on all nodes,
			else it is on this node, and there again after a restart if it was declared.</p>`,
		submit: () => operations.remove(source.name)
	});
}

export function drainDialog(name) {
	openDialog({
		title: `Drain ${name}?`, button: 'Drain',
		body: html`<p>Its pool on this node closes as soon as the last connection comes back. The next use opens it again.</p>`,
		submit: () => operations.drain(name)
	});
}

export function migrateDialog(name) {
	openDialog({
		title: `Migrate ${name}?`, button: 'Migrate',
		body: html`<p>What its change log has that its database has not is run now, for all nodes. It goes on serving meanwhile, and the migration goes on if you leave.</p>`,
		submit: () => operations.migrate(name)
	});
}

export function mapDialog(tenant, source) {
	openDialog({
		title: 'Map a tenant', button: 'Map', fields: true,
		body: html`<div class="fields">${field('Tenant', 'tenant', { value: tenant, required: true, first: !tenant, maxlength: 64 })}
			${field('Source', 'source', { value: source, required: true, first: !!tenant })}</div>
			<p>Its work goes there from the next scope on, whatever the routes say. <strong>Nothing is copied.</strong></p>`,
		submit: (data) => operations.map(text(data, 'tenant'), text(data, 'source'))
	});
}

export function unmapDialog(tenant) {
	openDialog({
		title: `Unmap ${tenant}?`, button: 'Unmap',
		body: html`<p>Its work goes where the routes lead, from the next scope on. <strong>Nothing is copied.</strong></p>`,
		submit: () => operations.unmap(tenant)
	});
}
