// What the page does is what sample-app/requests.http does.
const json = { 'Content-Type': 'application/json' };
const elections = new Set(['lisbon', 'porto', 'faro']);

function say(text) {
	document.querySelector('#said').textContent = text;
}

async function send(path, body, headers = {}) {
	const answer = await fetch(path, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });
	if (!answer.ok) {
		const problem = await answer.json().catch(() => ({}));
		throw new Error(`${answer.status} ${problem.detail ?? problem.title ?? ''}`);
	}
	return answer;
}

function cell(row, text) {
	row.insertCell().textContent = text;
}

async function showResults() {
	const rows = [];
	for (const election of elections) {
		const answer = await fetch(`elections/${encodeURIComponent(election)}/results`);
		// 404: nobody has voted, so there is no database.
		for (const [candidate, votes] of answer.ok ? Object.entries(await answer.json()) : []) {
			const row = document.createElement('tr');
			[election, candidate, votes].forEach((text) => cell(row, text));
			rows.push(row);
		}
	}
	document.querySelector('#results tbody').replaceChildren(...rows);
}

function onSubmit(id, action) {
	document.querySelector(id).addEventListener('submit', async (event) => {
		event.preventDefault();
		try {
			say(await action(Object.fromEntries(new FormData(event.target))));
		}
		catch (error) {
			say(error.message);
		}
	});
}

onSubmit('#vote', async ({ election, candidate }) => {
	await send(`elections/${encodeURIComponent(election)}/votes`, { candidate });
	elections.add(election);
	await showResults();
	return `Counted in the database of ${election}.`;
});

onSubmit('#write', async ({ chat, text }) => {
	await send(`chats/${encodeURIComponent(chat)}/messages`, { text });
	const { source } = await (await fetch(`chats/${encodeURIComponent(chat)}/source`)).json();
	return `Kept in ${source}.`;
});

onSubmit('#search', async ({ user, q }) => {
	const answer = await send('searches', { q }, { Authorization: `Basic ${btoa(`${user}:${user}`)}` });
	const { hits, summary } = await answer.json();
	document.querySelector('#hits').replaceChildren(...hits.slice(0, 10).map((hit) => {
		const item = document.createElement('li');
		item.textContent = `${hit.title} (${hit.source})`;
		return item;
	}));
	return `${summary.total} found in ${summary.sourcesSearched} databases, in ${summary.tookMs} ms.`;
});

showResults().catch((error) => say(error.message));
