/*
 * What was asked of the server, until somebody has seen what became of it: in the corner of the page.
 */
import { html, nothing } from './lit-html/lit-html.js';
import { repeat } from './lit-html/directives/repeat.js';
import { poll } from './poll.js';
import { isUnknown } from './server.js';
import { draw, isRunning, say, state } from './state.js';
import { plural, spaced, span } from './words.js';

/** How many are shown. */
const TASKS = 6;
/** What is called done; all else is called what the server calls it. */
const DONE = ['added', 'replaced', 'removed', 'draining', 'available', 'up-to-date', 'mapped', 'unmapped'];
const NOT_KNOWN = 'not known whether it was done';

let lastTask = 0;

/**
 * Something that takes its time: what is shown of it until somebody has seen it. Gives it back once the server has
 * answered, though it may have to be followed further.
 */
export async function task(title, source, begin, follow) {
	const mine = { id: ++lastTask, title, source, text: '', begun: Date.now(), status: 'running', outcome: 'is running' };
	state.tasks = [mine, ...state.tasks];
	// What is running stays, however much there is.
	for (const old of state.tasks.filter((each) => !isRunning(each)).slice(TASKS - 1)) {
		forget(old);
	}
	say(`${title} is running.`);
	draw();
	const tell = (text) => {
		mine.text = text;
		draw();
	};
	try {
		const answer = await begin();
		mine.accepted = true;
		ended(mine, answer.outcome, answer, follow(answer, tell));
	}
	catch (failure) {
		failedTo(mine, failure);
	}
	return mine;
}

/** Ends a task, or follows it. */
function ended(mine, outcome, answer, further) {
	if (further) {
		further.then((last) => ended(mine, last.outcome, last), (failure) => failedTo(mine, failure));
		return;
	}
	const known = DONE.includes(outcome);
	end(mine, known ? 'done' : 'other', known ? 'done' : spaced(outcome), inWords(answer));
}

function failedTo(mine, failure) {
	if (isUnknown(failure)) {
		end(mine, 'unknown', NOT_KNOWN, failure.message + ' Look what has become of it.');
	}
	else {
		end(mine, 'failed', 'failed', failure.message);
	}
}

function end(mine, status, outcome, text) {
	Object.assign(mine, { status, outcome, text, ended: Date.now() });
	say(`${mine.title}: ${outcome}. ${text}`);
	draw();
	poll();
}

const inWords = (done) => done.message + (done.migrations ? ` ${plural(done.migrations.run, 'change set')} run`
	+ (done.migrations.pending ? `, ${done.migrations.pending} pending.` : ', none pending.') : '');

export function forget(old) {
	state.tasks = state.tasks.filter((each) => each !== old);
}

export const wasDone = (ended) => ['done', 'running'].includes(ended.status);

/** Whether the server has not answered yet to something that it was asked to do with a source. */
export const busy = (name) => state.tasks.some((each) => isRunning(each) && !each.accepted && each.source === name);

export function tasks() {
	return html`<section class="tasks" aria-label="What you have asked for" ?hidden=${!state.tasks.length}><ul>
		${repeat(state.tasks, (each) => each.id, (each) => html`<li class=${each.status}><div><strong>${each.title}</strong>
			<span class="outcome">${each.outcome}</span>
			<span class="quiet" aria-hidden="true">${span((each.ended ?? Date.now()) - each.begun)}</span>
			${each.text ? html`<p>${each.text}</p>` : nothing}
			${isRunning(each) ? html`<progress aria-label=${each.title}></progress>` : nothing}</div>
			${isRunning(each) ? nothing : html`<button type="button" class="plain" aria-label="Dismiss: ${each.title}"
				@click=${() => { forget(each); draw(); }}>×</button>`}</li>`)}</ul></section>`;
}
