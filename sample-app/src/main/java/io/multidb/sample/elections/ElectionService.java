package io.multidb.sample.elections;

import java.util.LinkedHashMap;
import java.util.Map;

import io.multidb.Tenant;

import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

/**
 * Counts votes. Every election is a tenant with a database of its own: no entity names
 * the election, no query filters by it.
 */
@Service
class ElectionService {

	private final VoteRepository votes;

	ElectionService(VoteRepository votes) {
		this.votes = votes;
	}

	/**
	 * Counts a vote; the first one makes the election's database.
	 * @param id the election
	 * @param candidate whom the vote is for
	 */
	@Tenant(value = "'election-' + #id", create = true)
	@Transactional
	public void vote(String id, String candidate) {
		this.votes.save(new Vote(candidate));
	}

	/**
	 * The results of an election so far.
	 * @param id the election
	 * @return votes by candidate, the most first
	 * @throws io.multidb.UnknownTenantException if nobody has voted yet
	 */
	@Tenant("'election-' + #id")
	@Transactional(readOnly = true)
	public Map<String, Long> results(String id) {
		Map<String, Long> results = new LinkedHashMap<>();
		this.votes.countByCandidate().forEach((count) -> results.put(count.getCandidate(), count.getVotes()));
		return results;
	}

}
