package io.multidb.sample.elections;

import java.util.LinkedHashMap;
import java.util.Map;

import io.multidb.Tenant;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

/**
 * Counts votes. Every election is a tenant with a database of its own: no table names the
 * election, no statement filters by it.
 */
@Service
class ElectionService {

	private final JdbcClient jdbc;

	ElectionService(JdbcClient jdbc) {
		this.jdbc = jdbc;
	}

	/**
	 * Counts a vote; the first one makes the election's database.
	 * @param id the election
	 * @param candidate whom the vote is for
	 */
	@Tenant(value = "'election-' + #id", create = true)
	@Transactional
	public void vote(String id, String candidate) {
		this.jdbc.sql("INSERT INTO vote (candidate) VALUES (?)").param(candidate).update();
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
		Map<String, Long> votes = new LinkedHashMap<>();
		this.jdbc.sql("SELECT candidate, count(*) FROM vote GROUP BY candidate ORDER BY count(*) DESC, candidate")
			.query((row) -> {
				votes.put(row.getString(1), row.getLong(2));
			});
		return votes;
	}

}
