/*
 * What is shown, and the word to show it anew, for whoever has changed something of it.
 */

/** Everything that is shown. */
export const state = {
	session: null,
	overview: null,
	detail: null,
	tenant: null,
	/** Why nothing at all can be shown of what was asked for: {status, text}. */
	problem: null,
	/** Why the tenant that was asked for cannot be told. */
	tenantProblem: null,
	/** When data came last, by this clock, and why none comes now. */
	answered: null, silence: null, nextTry: null, paused: false,
	/** The node that answered last, and all that have. */
	node: null, nodes: new Set(), severalNodes: false,
	/** What is told to whoever does not see it. */
	said: '',
	otherVersion: false,
	/** What was copied last, and when: {name, at, title}. */
	copied: null,
	dialog: null,
	tasks: [],
	lastList: '#/'
};

/** Of a task. */
export const isRunning = (each) => each.status === 'running';

let drawing = () => {};

/** Whoever draws says so once. */
export function drawBy(how) {
	drawing = how;
}

export const draw = () => drawing();

/** Tells it to whoever does not see it. */
export function say(text) {
	state.said = text;
}
