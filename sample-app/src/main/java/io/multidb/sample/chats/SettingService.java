package io.multidb.sample.chats;

import java.util.Optional;

import io.multidb.UseSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

/**
 * Settings of the whole system, which are in main whatever tenant the work is done for.
 */
@Service
@UseSource("main")
class SettingService {

	private final JdbcClient jdbc;

	SettingService(JdbcClient jdbc) {
		this.jdbc = jdbc;
	}

	@Transactional(readOnly = true)
	public Optional<String> find(String name) {
		return this.jdbc.sql("SELECT content FROM setting WHERE name = ?").param(name).query(String.class).optional();
	}

	@Transactional
	public void set(String name, String content) {
		int unused = this.jdbc.sql("""
				INSERT INTO setting (name, content) VALUES (?, ?)
				ON CONFLICT (name) DO UPDATE SET content = excluded.content
				""").params(name, content).update();
	}

}
