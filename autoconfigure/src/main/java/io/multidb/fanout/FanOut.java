package io.multidb.fanout;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import java.util.stream.Stream;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

import io.multidb.MultiDbException;
import io.multidb.source.JdbcUrl;
import io.multidb.source.NamePattern;
import io.multidb.source.Source;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Watch;

/**
 * Asks many sources one question at the same time. Each has one outcome, by a deadline,
 * and what one of them does changes nothing for the others: <pre>
 * FanOutResult&lt;Hit&gt; result = fanOut.over(sources)
 *     .timeout(ofSeconds(30))
 *     .limit(100)
 *     .sortedBy(comparing(Hit::relevance).reversed())
 *     .query((jdbc) -&gt; jdbc.sql("…").param(q).query(Hit.class).list());
 * </pre>
 * <p>
 * Each source is worked on by another thread, whose target is that source; the calling
 * thread's tenant, logging context and tracing go along, its transaction does not. A
 * repository that is called there goes to that source, and what enters another target
 * goes there, as everywhere. Thread-safe.
 */
public final class FanOut implements AutoCloseable {

	private static final int FETCH_SIZE = 500;

	private final SourceRegistry registry;

	private final DataSource router;

	private final Duration timeout;

	private final @Nullable FanOutJournal journal;

	private final Workers workers;

	private final JdbcClient jdbc;

	/** By what became of them. */
	private final Map<SourceOutcome.Status, LongAdder> outcomes = new ConcurrentHashMap<>();

	private volatile Watch watch = Watch.NONE;

	/**
	 * Creates one; nothing is started.
	 * @param registry the sources there are
	 * @param router takes connections of the current target's source
	 * @param timeout how long a fan-out takes at most, unless it says otherwise
	 * @param threads how many threads work at the same time on sources in SQLite, and how
	 * many on others, at least 1
	 * @param journal where executions are recorded, or {@code null} for nowhere
	 * @throws IllegalArgumentException if the timeout is not positive, or there are no
	 * threads
	 */
	public FanOut(SourceRegistry registry, DataSource router, Duration timeout, int threads,
			@Nullable FanOutJournal journal) {
		if (threads < 1) {
			throw new IllegalArgumentException("'threads' must be at least 1, not " + threads);
		}
		this.registry = registry;
		this.router = router;
		this.timeout = FanOutQuery.positive(timeout);
		this.journal = journal;
		this.workers = new Workers(threads);
		this.jdbc = JdbcClient.create(router);
	}

	/**
	 * Over sources by their names, internal ones too.
	 * @param sources their names; each counts once
	 * @return what to ask them
	 */
	public FanOutQuery<Object> over(Collection<String> sources) {
		List<String> names = List.copyOf(new LinkedHashSet<>(sources));
		return new FanOutQuery<>(this,
				new FanOutQuery.Settings(names, this.timeout, Integer.MAX_VALUE, Integer.MAX_VALUE, (outcome) -> {
				}), null);
	}

	/**
	 * Over all sources of a pattern that are declared or were added at run time, as of
	 * now: neither internal ones, nor those a template has made.
	 * @param pattern the pattern, such as {@code NamePattern.of("ny-*")}
	 * @return what to ask them, in the order of their names
	 */
	public FanOutQuery<Object> over(NamePattern pattern) {
		return over(this.registry.sources()
			.stream()
			.filter((source) -> !source.definition().internal() && source.definition().template() == null)
			.map(Source::name)
			.filter(pattern::matches)
			.toList());
	}

	/**
	 * Over what a selection names, as of now.
	 * @param selection the selection
	 * @return what to ask them
	 */
	public FanOutQuery<Object> over(SourceSelection selection) {
		return over(selection.names());
	}

	/**
	 * How many threads work on something that their deadline has stopped, and have not
	 * let go of it yet.
	 * @return how many; 0 but for a moment, unless tasks ignore that they are interrupted
	 */
	public int late() {
		return this.workers.late().get();
	}

	/**
	 * How many questions to one source came to that.
	 * @param status what became of them
	 * @return how many since the start
	 */
	public long outcomes(SourceOutcome.Status status) {
		LongAdder count = this.outcomes.get(status);
		return (count != null) ? count.sum() : 0;
	}

	/**
	 * Has fan-outs watched that begin from now on, and what they ask of each source.
	 * @param watch watches it
	 */
	public void watch(Watch watch) {
		this.watch = watch;
	}

	<T, P> FanOutAnswer.Outcomes run(FanOutQuery.Settings settings, Question<? extends T> question, Merge<T, P> merge) {
		Watch.Watched watched = this.watch.begin(Watch.Activity.FAN_OUT, null, null);
		String outcome = "failed";
		Throwable failure = null;
		try {
			FanOutAnswer.Outcomes all = ask(settings, question, merge);
			all.list()
				.forEach(
						(each) -> this.outcomes.computeIfAbsent(each.status(), (first) -> new LongAdder()).increment());
			outcome = all.list().stream().allMatch(SourceOutcome::completed) ? "completed" : "partial";
			return all;
		}
		catch (RuntimeException | Error ex) {
			failure = ex;
			throw ex;
		}
		finally {
			watched.end(outcome, failure);
		}
	}

	private final class Parts implements Execution.Parts {

		@Override
		public Watch.Watched begin(String source) {
			Source asked = FanOut.this.registry.find(source);
			return (asked != null) ? FanOut.this.watch.begin(Watch.Activity.FAN_OUT_SOURCE, asked.definition())
					: FanOut.this.watch.begin(Watch.Activity.FAN_OUT_SOURCE, source, null);
		}

		@Override
		public String masked(String source, String text) {
			Source asked = FanOut.this.registry.find(source);
			return (asked != null) ? asked.definition().masked(text) : JdbcUrl.mask(text);
		}

	}

	private <T, P> FanOutAnswer.Outcomes ask(FanOutQuery.Settings settings, Question<? extends T> question,
			Merge<T, P> merge) {
		FanOutJournal recorder = this.journal;
		Execution<T, P> execution = new Execution<>(settings.sources(), settings.timeout(), question, merge,
				settings.listener(),
				(recorder != null) ? recorder::begin : (id, sources) -> FanOutJournal.Recording.NONE, this::kind,
				new Parts());
		return execution.run(this.workers);
	}

	private Workers.Kind kind(String source) {
		try {
			return this.registry.pinsThreads(source) ? this.workers.sqlite() : this.workers.others();
		}
		catch (MultiDbException ex) {
			// It has the same outcome when it is asked.
			return this.workers.others();
		}
	}

	<T> Question<T> query(Function<JdbcClient, ? extends Collection<? extends T>> query) {
		return Question.rows(() -> query.apply(this.jdbc));
	}

	/** In a transaction, without which PostgreSQL's driver reads all rows at once. */
	<T> Question<T> stream(Function<JdbcClient, ? extends Stream<? extends T>> query) {
		return () -> {
			Connection connection = this.router.getConnection();
			Stream<? extends T> rows = null;
			try {
				connection.setReadOnly(true);
				connection.setAutoCommit(false);
				JdbcTemplate template = new JdbcTemplate(new SingleConnectionDataSource(connection, true));
				template.setFetchSize(FETCH_SIZE);
				rows = Objects.requireNonNull(query.apply(JdbcClient.create(template)), "The query returned null");
				Stream<? extends T> opened = rows;
				return new Question.Rows<>(opened.iterator(), () -> close(opened, connection));
			}
			finally {
				if (rows == null) {
					close(Stream.empty(), connection);
				}
			}
		};
	}

	private static void close(Stream<?> rows, Connection connection) throws SQLException {
		try (connection; rows) {
			connection.rollback();
		}
	}

	/** Begins nothing more, and interrupts what works. */
	@Override
	public void close() {
		this.workers.close();
	}

}
