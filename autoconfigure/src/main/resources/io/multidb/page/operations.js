/*
 * What an operator may ask for, and what becomes of what the server goes on with after its answer.
 */
import { place, sourceHash } from './address.js';
import { ask, change, Refused, sourcePath, tenantPath } from './server.js';
import { state } from './state.js';
import { task, wasDone } from './tasks.js';
import { exactly, plural } from './words.js';

/** What goes on after the answer. */
const UNDER_WAY = ['running', 'queued'];
/** The status of what nobody knows of any more. */
const LOST = 599;

/** A task that is followed until it has ended, where the server goes on with it after its answer. */
const run = (title, source, begin, follow) => task(title, source, begin,
	(answer, tell) => UNDER_WAY.includes(answer.outcome) && answer.id ? untilEnded(source, answer, tell) : follow?.(answer, tell));

export const operations = {
	retry: (name) => run(`Try ${name} again`, name, () => change(sourcePath(name) + '/retry')),
	drain: (name) => run(`Drain ${name}`, name, () => change(sourcePath(name) + '/drain'),
		(done, tell) => done.outcome === 'draining' ? untilDrained(name, done, tell) : null),
	migrate: (name) => run(`Migrate ${name}`, name, () => change(sourcePath(name) + '/migrate')),
	remove: async (name) => {
		const ended = await run(`Remove ${name}`, name, () => change(sourcePath(name) + '/remove'),
			(done, tell) => done.outcome === 'removed' ? untilDrained(name, done, tell) : null);
		if (wasDone(ended) && place().name === name) {
			location.hash = state.lastList;
		}
		return ended;
	},
	replace: (name, body) => run(`Replace ${name}`, name, () => change(sourcePath(name) + '/replace', body),
		(done, tell) => done.outcome === 'replaced' ? untilDrained(name, done, tell) : null),
	add: async (body) => {
		const ended = await run(`Add ${body.name}`, body.name, () => change('sources', body));
		if (wasDone(ended)) {
			location.hash = sourceHash(body.name);
		}
		return ended;
	},
	map: (tenant, source) => run(`Map ${tenant} to ${source}`, source, () => change(tenantPath(tenant) + '/map', { source })),
	unmap: (tenant) => run(`Unmap ${tenant}`, null, () => change(tenantPath(tenant) + '/unmap'))
};

/** Asks every second, also after a question that was lost, until something is to be said, or why nothing can be. */
async function until(find) {
	for (;;) {
		const found = document.hidden ? null : await find().catch((failure) => [401, 403].includes(failure.status) ? failure : null);
		if (found instanceof Refused) {
			throw found;
		}
		if (found) {
			return found;
		}
		await new Promise((resolve) => setTimeout(resolve, 1000));
	}
}

/** Of a source that was removed, the server knows until nothing of it is in use. */
async function detailsOf(name) {
	try {
		return (await ask(sourcePath(name))).details;
	}
	catch (failure) {
		if (failure.byApplication && failure.status === 404) {
			return null;
		}
		throw failure;
	}
}

const untilDrained = (name, done, tell) => until(async () => {
	const left = (await detailsOf(name))?.source.draining;
	if (!left) {
		return { ...done, message: done.message + ' Nothing of the former pool is open any more.' };
	}
	tell(`Waits for ${plural(left.connections, 'connection')} in use, until ${exactly(left.deadline)} at most.`);
	return null;
});

/** Whoever would ask by the same request again would begin it again. */
const untilEnded = (name, begun, tell) => until(async () => {
	const details = await detailsOf(name);
	if (!details && begun.operation === 'remove') {
		return { ...begun, outcome: 'removed', message: 'It is gone.' };
	}
	const now = details?.operations.find((each) => each.id === begun.id);
	if (!now) {
		return new Refused('The node that answers does not know of it.', LOST);
	}
	if (now.status === 'failed') {
		return new Refused(now.message ?? 'The log says why.', 500, true);
	}
	tell(begun.message);
	return now.status === 'done' ? now : null;
});
