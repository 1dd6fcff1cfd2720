/*
 * The operator's page. What it shows comes from 'api/' beside it, what it renders with from lit-html, which escapes
 * everything: names, URLs and errors are other people's. Nothing is kept in the browser but where one is, in the hash.
 * Here is what stands around every view, and what keeps all of it going.
 */
import { html, nothing, render } from './lit-html/lit-html.js';
import { listHash, place } from './address.js';
import { attentionLine } from './attention.js';
import { dialog } from './dialogs.js';
import { listView } from './list.js';
import { drawPlot } from './plot.js';
import { isAsking, poll, POLL, rest, resume, staleSince, touch } from './poll.js';
import { serversView } from './servers.js';
import { sourceView } from './source.js';
import { drawBy, isRunning, say, state } from './state.js';
import { tasks } from './tasks.js';
import { tenantsView } from './tenants.js';
import { since, span } from './words.js';

const TITLES = { list: 'Sources', servers: 'Servers', tenants: 'Routes and tenants' };

function page() {
	const here = place();
	const session = state.session;
	const tabs = Object.entries(TITLES);
	const view = here.view === 'source' ? 'list' : here.view;
	return html`
		<a class="skip" href="#content" @click=${skip}>Skip to the content</a>
		<header class="top">
			<div class="title"><strong>${session?.application ?? ''}</strong> <span>data sources</span></div>
			<nav aria-label="Views">${tabs.map(([key, title]) => html`<a href=${key === 'list' ? state.lastList : '#/' + key}
				aria-current=${view === key ? 'page' : nothing}>${title}</a>`)}</nav>
			<div class="who">${freshness()}
				${session?.user ? html`<span class="user" title="You are signed in by this name">${session.user}</span>` : nothing}</div>
		</header>
		${silence()}
		<div class="renewed" ?hidden=${!state.otherVersion}>${state.otherVersion ? html`<span role="alert">What answers is of another version than this page.</span>
			<button type="button" @click=${reload}>Reload</button>` : nothing}</div>
		<div class="unseen" role="status">${state.said}</div>
		<main id="content" tabindex="-1" class=${staleSince() ? 'stale' : ''}>
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
	const word = state.problem?.status === 401 ? 'signed out' : state.problem?.status === 403 ? 'no access' : state.paused ? 'paused'
		: staleSince() ? 'stale' : state.answered ? 'live' : '…';
	return html`${state.node ? html`<span class="node" title=${state.severalNodes
			? 'Several nodes answer in turn: ' + [...state.nodes].join('; ') + '. States and pools are those of the one that answered last, and so is what an action reaches unless it says otherwise.'
			: 'States and pools are those of this node'}>${state.severalNodes ? html`<strong>several nodes answer</strong>, now ` : nothing}${state.node}</span>` : nothing}
		<span class="fresh ${word}" title="Asked every ${POLL / 1000} s while you look">${word}</span>`;
}

function silence() {
	const old = staleSince();
	const shown = !state.problem && (old || state.paused);
	const text = state.paused ? 'Nobody has touched this page for a while, so it asks nothing.' : state.silence?.text ?? 'No answer yet.';
	return html`<div class="silence" ?hidden=${!shown}>${shown ? html`<span role="alert">${text}</span>
			${state.answered ? html`<span>What you see is <strong>stale ${since(old ?? state.answered)}</strong>.</span>` : nothing}
			<span aria-hidden="true">${state.paused ? nothing : isAsking() || !(state.nextTry > Date.now()) ? 'Trying…' : `Tried again in ${span(state.nextTry - Date.now())}.`}</span>
			<button type="button" @click=${state.paused ? touch : poll}>${state.paused ? 'Go on' : 'Try now'}</button>
			${state.silence?.status >= 200 ? html`<button type="button" @click=${reload}>Reload</button>` : nothing}` : nothing}</div>`;
}

const reload = () => location.reload();

const problem = () => html`<p class="problem" role="alert">${state.problem.text}
	${state.problem.status === 401 ? html`<button type="button" @click=${reload}>Reload</button>` : nothing}</p>`;

let root = document.getElementById('page');
let failed = false;
let usable = false;

/** An answer of another shape, as of another version, is no reason to go on showing the last one as if it were of now. */
function draw() {
	const focused = document.activeElement;
	const source = sourceOf(focused);
	try {
		heed();
		// What has failed half way is not drawn over.
		const target = failed ? document.createElement('div') : root;
		render(page(), target);
		if (failed) {
			root.replaceWith(target);
			root = target;
		}
		failed = false;
		drawPlot(state.detail);
	}
	catch (failure) {
		failed = true;
		console.debug(failure);
	}
	failure(failed);
	if (document.activeElement === document.body && focused !== document.body) {
		// It was moved in the list, or is gone.
		(focused.isConnected ? focused : linkTo(source) ?? document.getElementById('content'))?.focus({ preventScroll: true });
	}
	if (!usable && (state.overview || state.detail)) {
		usable = true;
		performance.mark('usable');
	}
}

let lastLine = null;

/** Says what has become different, in the title and to whoever does not see it. */
function heed() {
	const here = place();
	const application = state.session?.application ?? '';
	const found = state.overview?.list.attention;
	if (here.view === 'source') {
		document.title = [here.name, state.detail?.details.source.state.status, application].filter(Boolean).join(' – ');
		return;
	}
	const broken = found?.unavailable.total;
	document.title = (broken ? `(${broken}) ` : '') + [TITLES[here.view], application].filter(Boolean).join(' – ');
	const line = found ? attentionLine(found) : null;
	if (found && line !== lastLine) {
		say(line ? 'Needs attention: ' + line : 'Nothing needs attention.');
		lastLine = line;
	}
}

function failure(shown) {
	document.body.classList.toggle('frozen', shown);
	render(shown ? html`<p>What the server answered cannot be shown, so what you see is not of now. The application may have been updated.
		<button type="button" @click=${reload}>Reload</button></p>` : nothing, document.getElementById('failure'));
}

/** Where one was on each entry of the history, by its number: how far down, and at which source. */
const entries = new Map();
let entry = 0;
let lastView = '';

/** Remembers this entry of the history, by what the browser keeps of it. */
function arrive() {
	if (!history.state?.entry) {
		history.replaceState({ entry: Date.now(), fromList: lastView === 'list' }, '');
	}
	entry = history.state.entry;
	const here = place();
	if (here.view === 'list') {
		state.lastList = listHash(here.filters);
	}
	lastView = here.view + (here.name ?? '');
}

/** The address has become another, whoever has made it so. */
function moved() {
	entries.set(entry, { down: scrollY, source: sourceOf(document.activeElement) });
	const former = lastView;
	arrive();
	const here = place();
	if (here.view !== 'source' || state.detail?.details.source.name !== here.name) {
		state.detail = null;
	}
	if (state.tenant?.tenant !== here.tenant) {
		state.tenant = null;
	}
	state.problem = null;
	state.tenantProblem = null;
	draw();
	if (lastView !== former) {
		const left = entries.get(entry);
		scrollTo(0, left?.down ?? 0);
		(linkTo(left?.source) ?? document.getElementById('content')).focus({ preventScroll: true });
	}
	poll();
}

/** The source whose part of the page this is in. */
const sourceOf = (element) => element?.closest('[data-source]')?.dataset.source;
const linkTo = (source) => source ? document.querySelector(`[data-source="${CSS.escape(source)}"] a`) : null;

drawBy(draw);
history.scrollRestoration = 'manual';
addEventListener('hashchange', moved);
document.addEventListener('visibilitychange', () => {
	if (document.hidden) {
		rest();
	}
	else {
		resume();
	}
});
for (const type of ['pointerdown', 'pointermove', 'keydown', 'wheel']) {
	addEventListener(type, touch, { passive: true, capture: true });
}
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
setInterval(() => { if (!document.hidden && (staleSince() || state.tasks.some(isRunning))) draw(); }, 1000);
arrive();
draw();
