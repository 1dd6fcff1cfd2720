package io.multidb.sample.courts;

import io.multidb.UseSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Repository;
import org.springframework.transaction.annotation.Transactional;

/**
 * Who has searched for what, beside the catalog.
 */
@Repository
@UseSource("courts")
class SearchLog {

	private final JdbcClient jdbc;

	SearchLog(JdbcClient jdbc) {
		this.jdbc = jdbc;
	}

	@Transactional
	public void add(String id, String user, String question) {
		this.jdbc.sql("INSERT INTO search (id, user_name, question) VALUES (?, ?, ?)")
			.params(id, user, question)
			.update();
	}

	@Transactional(readOnly = true)
	public boolean has(String id, String user) {
		return this.jdbc.sql("SELECT count(*) FROM search WHERE id = ? AND user_name = ?")
			.params(id, user)
			.query(Integer.class)
			.single() > 0;
	}

}
