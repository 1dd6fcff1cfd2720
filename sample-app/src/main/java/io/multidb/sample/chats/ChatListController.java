package io.multidb.sample.chats;

import java.time.Duration;
import java.util.Comparator;
import java.util.List;

import io.multidb.fanout.FanOut;
import io.multidb.fanout.FanOutResult;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * The question that goes to every source of chats, past the routes.
 */
@RestController
class ChatListController {

	private static final Duration TIMEOUT = Duration.ofSeconds(5);

	private final FanOut fanOut;

	private final SourceRegistry registry;

	ChatListController(FanOut fanOut, SourceRegistry registry) {
		this.fanOut = fanOut;
		this.registry = registry;
	}

	@GetMapping("/chats")
	ChatList chats() {
		FanOutResult<ChatList.Chat> result = this.fanOut.over(this::sources)
			.timeout(TIMEOUT)
			.sortedBy(Comparator.comparing(ChatList.Chat::id))
			.query(ChatListController::chats);
		return new ChatList(result.values(), result.outcomes());
	}

	private List<String> sources() {
		return this.registry.sources()
			.stream()
			.filter((source) -> "true".equals(source.definition().attributes().get("chats")))
			.map(Source::name)
			.toList();
	}

	/** One that is being moved is listed where it is still read. */
	private static List<ChatList.Chat> chats(JdbcClient jdbc) {
		return jdbc.sql("""
				SELECT message.chat, count(*) AS messages FROM message LEFT JOIN chat ON chat.id = message.chat
				WHERE chat.state IS NULL OR chat.state IN ('here', 'leaving') GROUP BY message.chat
				""").query((row, number) -> new ChatList.Chat(row.getString("chat"), row.getLong("messages"))).list();
	}

}
