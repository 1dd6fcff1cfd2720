/*
 * Where one is, as the hash of the address says it, and the addresses of other places.
 */

/** The view, and which source, tenant or filters it is about. */
export function place() {
	const text = location.hash.replace(/^#\/?/, '');
	const [path, query] = text.split('?', 2);
	const parts = path.split('/').filter(Boolean).map(decoded);
	const filters = Object.fromEntries(new URLSearchParams(query ?? ''));
	if (parts[0] === 'sources' && parts.length === 2) {
		return { view: 'source', name: parts[1], filters: {} };
	}
	if (parts[0] === 'tenants') {
		return { view: 'tenants', tenant: parts[1], filters: {} };
	}
	return { view: parts[0] === 'servers' ? 'servers' : 'list', filters };
}

function decoded(text) {
	try {
		return decodeURIComponent(text);
	}
	catch {
		return text;
	}
}

export function listHash(filters) {
	const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();
	return '#/' + (query ? '?' + query : '');
}

export const sourceHash = (name) => '#/sources/' + encodeURIComponent(name);
export const tenantHash = (tenant) => '#/tenants/' + encodeURIComponent(tenant);

/** Where one was in the list is the entry before, if one came from there. */
export function backToList(event) {
	if (history.state?.fromList) {
		event.preventDefault();
		history.back();
	}
}
