package io.multidb.sample.courts;

import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import io.multidb.catalog.SearchableSources;
import io.multidb.fanout.FanOut;
import io.multidb.fanout.FanOutJournal;
import io.multidb.fanout.FanOutResult;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Service;

/**
 * Searches all courts that the user may search, side by side.
 */
@Service
class SearchService {

	private static final int SHOWN = 100;

	private static final Duration TIMEOUT = Duration.ofSeconds(5);

	private final FanOut fanOut;

	private final SearchableSources courts;

	private final FanOutJournal journal;

	private final SearchLog log;

	SearchService(FanOut fanOut, SearchableSources courts, FanOutJournal journal, SearchLog log) {
		this.fanOut = fanOut;
		this.courts = courts;
		this.journal = journal;
		this.log = log;
	}

	/**
	 * Searches. A court that is slow, broken or gone is told of, and changes nothing for
	 * the others.
	 * @param question words
	 * @param user who asks
	 */
	Search search(String question, String user) {
		String words = words(question);
		FanOutResult<Opinion> found = this.fanOut.over(this.courts)
			.timeout(TIMEOUT)
			.limit(SHOWN)
			.sortedBy(Comparator.comparingDouble(Opinion::relevance).reversed())
			.query((jdbc) -> opinions(jdbc, words));
		this.log.add(found.id(), user, question);
		return Search.of(found);
	}

	/**
	 * What became of a search.
	 * @param id its id
	 * @param user who asks, and has searched
	 * @return the search without its hits, or {@code null} if that user has none of this
	 * id
	 */
	@Nullable Search find(String id, String user) {
		FanOutJournal.Recorded recorded = this.log.has(id, user) ? this.journal.find(id) : null;
		return (recorded != null) ? Search.of(recorded) : null;
	}

	/** Goes to the court that is asked. */
	private static List<Opinion> opinions(JdbcClient jdbc, String words) {
		return jdbc
			.sql("SELECT title, -bm25(opinion_index, 3.0) AS relevance FROM opinion_index"
					+ " WHERE opinion_index MATCH ? ORDER BY rank")
			.param(words)
			.query((row, number) -> new Opinion(row.getString("title"), row.getDouble("relevance")))
			.list();
	}

	/** Any of them, each quoted: FTS5 has a language of its own. */
	private static String words(String question) {
		return Stream.of(question.split("[^\\p{L}\\p{N}]+"))
			.filter((word) -> !word.isEmpty())
			.map((word) -> '"' + word + '"')
			.collect(Collectors.joining(" OR "));
	}

}
