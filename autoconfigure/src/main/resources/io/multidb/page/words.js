/*
 * What every view is made of: numbers and times in words, small pictures, buttons.
 */
import { html, nothing, svg } from './lit-html/lit-html.js';
import { state } from './state.js';

const number = new Intl.NumberFormat();
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** The server's clock, less this one, in ms. */
export const clock = { ahead: 0 };

const now = () => Date.now() + clock.ahead;

export const count = (value) => number.format(value);
export const plural = (value, one, many = one + 's') => `${count(value)} ${value === 1 ? one : many}`;

export function span(millis) {
	const seconds = Math.max(0, Math.round(millis / 1000));
	if (seconds < 60) {
		return seconds + ' s';
	}
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) {
		return minutes + ' min';
	}
	const hours = Math.floor(minutes / 60);
	return hours < 48 ? `${hours} h` + (minutes % 60 ? ` ${minutes % 60} min` : '') : Math.floor(hours / 24) + ' days';
}

const time = (at, words) => html`<time datetime=${new Date(at).toISOString()} title=${absolute.format(at)}>${words}</time>`;

/** How long ago, or in how long; the moment itself on hover. */
export function moment(text) {
	if (!text) {
		return nothing;
	}
	const ago = now() - Date.parse(text);
	return time(Date.parse(text), ago < -500 ? 'in ' + span(-ago) : ago < 1000 ? 'now' : span(ago) + ' ago');
}

/** The moment itself. */
export const exactly = (text) => absolute.format(Date.parse(text));

/** How long something has been as it is. */
export const lasting = (text) => text ? html`for ${time(Date.parse(text), span(now() - Date.parse(text)))}` : nothing;

/** The same by this clock, of a moment in ms. */
export const since = (at) => html`for ${time(at, span(Date.now() - at))}`;

/** A moment that has passed is not the next one: somebody is at it. */
export const nextTry = (text) => Date.parse(text) > now() ? html`next try ${moment(text)}` : 'being tried now';

export function lag(text) {
	const match = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(text ?? '');
	return match ? span(((Number(match[1] ?? 0) * 60 + Number(match[2] ?? 0)) * 60 + Number(match[3] ?? 0)) * 1000) : text;
}

/** A file's name and line, or those of a property source or catalog, tell enough in a table. */
export function origin(text) {
	const other = /^".+" from property source "(.+)"$/.exec(text) ?? /^(catalog '[^']+'), /.exec(text);
	if (other) {
		return other[1];
	}
	const match = /\[(?:.*[/\\])?([^/\\\]]+)\](?: from .+?)?(?: - (\d+):\d+)?$/.exec(text);
	return match ? match[1] + (match[2] ? ':' + match[2] : '') : text;
}

export const spaced = (text) => text.replaceAll('-', ' ');

export const badge = (status) => html`<span class="badge ${status}">${spaced(status)}</span>`;

/** Parts of a whole. The words beside it say the same. */
function bar(label, max, parts) {
	let left = 0;
	return html`<svg class="bar" role="img" aria-label=${label} viewBox="0 0 100 10" preserveAspectRatio="none">
		<rect class="track" width="100" height="10"></rect>
		${parts.map(([kind, part]) => {
			const width = max > 0 ? Math.min(100 - left, part * 100 / max) : 0;
			const x = left;
			left += width;
			return svg`<rect class=${kind} x=${x} width=${width} height="10"></rect>`;
		})}
	</svg>`;
}

export function connections(pool) {
	if (!pool) {
		return html`<span class="none">–</span>`;
	}
	const label = `${pool.active} of ${pool.max} in use, ${pool.idle} idle` + (pool.pending ? `, ${pool.pending} waiting` : '');
	return html`<span class="pool" title=${label}>${bar(label, pool.max, [['active', pool.active], ['idle', pool.idle]])}
		<span class="figures">${pool.active}<span class="of">/${pool.max}</span></span>
		${pool.pending ? html`<span class="waiting">${count(pool.pending)} waiting</span>` : nothing}</span>`;
}

export function migrations(source) {
	const known = source.migrations;
	if (!known) {
		return html`<span class="none">–</span>`;
	}
	return html`<span class="migrations ${known.status}" title=${known.changeLog}>${{
		'up-to-date': 'up to date', failed: 'failed', unknown: 'not looked yet'
	}[known.status] ?? known.status}</span>`;
}

export const exhausted = (server) => server.limit && server.waiting > 0 && server.inUse >= server.limit;

export const fullness = (server) => server.limit ? (server.inUse + server.waiting) / server.limit : 0;

export function budget(server) {
	const label = `${server.inUse} in use, ${server.idle} idle` + (server.limit ? ` of ${server.limit}` : ', not limited')
		+ (server.waiting ? `, ${server.waiting} waiting` : '');
	return bar(label, server.limit ?? server.inUse + server.idle, [[exhausted(server) ? 'full' : 'active', server.inUse], ['idle', server.idle]]);
}

export const loading = () => state.problem || state.silence ? nothing : html`<p class="quiet" role="status">Loading…</p>`;

/** Whether whoever looks may do something. */
export const may = (action) => state.session?.actions.includes(action);

/** Who is not to press it now keeps the focus there, which a disabled one would lose. */
export const action = (title, off, click, { kind = '', label } = {}) => html`<button type="button" class=${kind} aria-label=${label ?? nothing}
	aria-disabled=${off ? 'true' : nothing} @click=${() => { if (!off) click(); }}>${title}</button>`;

export const cutAt = (some, total) => total > some.length ? html`<p class="quiet">The first ${count(some.length)} of ${count(total)}.</p>` : nothing;
