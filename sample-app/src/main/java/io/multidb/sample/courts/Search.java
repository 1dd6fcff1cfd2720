package io.multidb.sample.courts;

import java.util.List;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.multidb.fanout.FanOutJournal;
import io.multidb.fanout.FanOutResult;
import io.multidb.fanout.SourceOutcome;
import org.jspecify.annotations.Nullable;

/**
 * What many courts answered.
 *
 * @param id by which it can be asked for later
 * @param hits the best, in order of relevance; {@code null} where only what became of it
 * is known
 * @param summary all of it in numbers; {@code null} as well
 * @param sources what became of each court
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Search(String id, @Nullable List<Hit> hits, @Nullable Summary summary, List<Court> sources) {

	/**
	 * An opinion that was found.
	 *
	 * @param source the court
	 * @param title its title
	 * @param relevance how well it answers; more is better
	 */
	record Hit(String source, String title, double relevance) {
	}

	/**
	 * A search in numbers.
	 *
	 * @param total how many opinions were found, of which the best are shown
	 * @param sourcesSearched how many courts have answered
	 * @param tookMs how long it took, in milliseconds
	 */
	record Summary(long total, int sourcesSearched, long tookMs) {
	}

	/**
	 * A court that was asked.
	 *
	 * @param name the court
	 * @param status what became of it
	 * @param count how many opinions it found
	 * @param milliseconds how long it took
	 * @param error what went wrong, or {@code null}
	 */
	@JsonInclude(JsonInclude.Include.NON_NULL)
	record Court(String name, String status, long count, long milliseconds, @Nullable String error) {
	}

	static Search of(FanOutResult<Opinion> result) {
		List<Hit> hits = result.rows()
			.stream()
			.map((row) -> new Hit(row.source(), row.value().title(), row.value().relevance()))
			.toList();
		Summary summary = new Summary(result.outcomes().stream().mapToLong(SourceOutcome::count).sum(),
				result.count(SourceOutcome.Status.COMPLETED), result.took().toMillis());
		return new Search(result.id(), hits, summary,
				result.outcomes()
					.stream()
					.map((outcome) -> new Court(outcome.source(), outcome.status().toString(), outcome.count(),
							outcome.milliseconds(), outcome.failure()))
					.toList());
	}

	static Search of(FanOutJournal.Recorded recorded) {
		return new Search(recorded.id(), null, null,
				recorded.entries()
					.stream()
					.map((entry) -> new Court(entry.source(), entry.state().toString(), entry.count(),
							entry.milliseconds(), entry.failure()))
					.toList());
	}

}
