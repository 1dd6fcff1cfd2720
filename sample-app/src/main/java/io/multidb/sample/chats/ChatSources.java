package io.multidb.sample.chats;

import java.time.Duration;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;

import javax.sql.DataSource;

import io.multidb.SourceUnavailableException;
import io.multidb.routing.MappingStore;

import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Component;

/**
 * Where chats are that were moved, kept in main for every process and for the next start.
 */
@Component
class ChatSources implements MappingStore {

	private final JdbcClient main;

	private volatile Runnable changed = () -> {
	};

	/** It is asked on the way to a source, so it names its own and asks for no route. */
	ChatSources(@Qualifier("main") DataSource main) {
		this.main = JdbcClient.create(main);
	}

	@Override
	public Map<String, String> load() {
		return inMain(() -> this.main.sql("SELECT tenant, source FROM chat_source")
			.query((row, number) -> Map.entry(row.getString("tenant"), row.getString("source")))
			.list()
			.stream()
			.collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
	}

	@Override
	public void save(String tenant, String source) {
		int unused = inMain(() -> this.main.sql("""
				INSERT INTO chat_source (tenant, source) VALUES (?, ?)
				ON CONFLICT (tenant) DO UPDATE SET source = excluded.source
				""").params(tenant, source).update());
	}

	@Override
	public void remove(String tenant) {
		int unused = inMain(() -> this.main.sql("DELETE FROM chat_source WHERE tenant = ?").param(tenant).update());
	}

	private static <T> T inMain(Supplier<T> work) {
		try {
			return work.get();
		}
		catch (DataAccessException ex) {
			throw new SourceUnavailableException("main", "Where chats are is kept in 'main', which cannot be used now.",
					Duration.ofSeconds(1), ex);
		}
	}

	@Override
	public void whenChanged(Runnable listener) {
		this.changed = listener;
	}

	/** Another process may have moved a chat. */
	void refresh() {
		this.changed.run();
	}

}
