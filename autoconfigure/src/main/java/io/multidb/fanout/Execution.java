package io.multidb.fanout;

import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.core.NestedExceptionUtils;

import io.multidb.MultiDbException;
import io.multidb.Scope;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceUnavailableException;
import io.multidb.Target;
import io.multidb.fanout.SourceOutcome.Status;
import io.multidb.source.Deadline;
import io.multidb.source.Watch;
import io.multidb.task.CallerContext;

/**
 * One question to many sources. The thread that asks merges what comes, tells of it, and
 * has more threads work where some do not come back; it waits for nobody beyond the
 * deadline. Used once, by that thread.
 */
final class Execution<T, P> {

	private static final Logger logger = LoggerFactory.getLogger(Execution.class);

	/** How often to look for threads that do not come back. */
	private static final long TICK = TimeUnit.MILLISECONDS.toNanos(10);

	private static final long LEAST_PATIENCE = TimeUnit.MILLISECONDS.toNanos(20);

	private static final long MOST_PATIENCE = TimeUnit.MILLISECONDS.toNanos(100);

	private static final long FIRST_PATIENCE = TimeUnit.MILLISECONDS.toNanos(50);

	private final long start = System.nanoTime();

	private final String id = UUID.randomUUID().toString();

	private final Duration timeout;

	private final long end;

	private final List<Item<P>> items;

	private final Question<? extends T> question;

	private final Merge<T, P> merge;

	private final Consumer<SourceOutcome> listener;

	private final FanOutJournal.Recording journal;

	private final List<Lane> lanes;

	private final Parts parts;

	/** Answered, and not merged yet. */
	private final BlockingQueue<Item<P>> answered = new LinkedBlockingQueue<>();

	private final CallerContext context = CallerContext.capture();

	private final @Nullable SourceOutcome[] outcomes;

	private final Map<String, Throwable> failures = new LinkedHashMap<>();

	private int open;

	/** How many nanoseconds an answer takes, by and large; 0 before the first. */
	private long typical;

	/** Sources that threads of one kind work on. */
	private final class Lane {

		private final Workers.Kind kind;

		private final Queue<Item<P>> waiting = new ConcurrentLinkedQueue<>();

		/** Touched by the thread that asks. */
		private final List<Runner> runners = new ArrayList<>();

		private Lane(Workers.Kind kind) {
			this.kind = kind;
		}

		/** As many more as do not come back; twice as many, if nobody does. */
		private void grow(Workers workers, long now) {
			if (this.waiting.isEmpty()) {
				return;
			}
			this.runners.removeIf((runner) -> !runner.isWorking());
			long patience = patience();
			int stuck = (int) this.runners.stream().filter((runner) -> runner.busyFor(now) > patience).count();
			int instead = (stuck == this.runners.size()) ? 2 * stuck : stuck;
			int more = Math.min(this.kind.first() + instead - this.runners.size(), this.waiting.size());
			for (int i = 0; i < more; i++) {
				Runner runner = new Runner(workers, this.kind);
				if (!workers.start(this.kind, () -> work(runner))) {
					return;
				}
				this.runners.add(runner);
			}
		}

		private void work(Runner runner) {
			try {
				Execution.this.context.run(() -> {
					Item<P> item = this.waiting.poll();
					while (item != null) {
						runner.next();
						Execution.this.work(item, runner);
						item = runner.isWorking() ? this.waiting.poll() : null;
					}
				});
			}
			catch (RuntimeException | Error ex) {
				// What the caller's context is made of failed, outside of all work.
				Item<P> item = this.waiting.poll();
				if (item != null) {
					Execution.this.fail(item, runner, ex);
				}
			}
			finally {
				runner.end();
			}
		}

	}

	Execution(List<String> sources, Duration timeout, Question<? extends T> question, Merge<T, P> merge,
			Consumer<SourceOutcome> listener, FanOutJournal.Recorder journal, KindOf kinds, Parts parts) {
		this.parts = parts;
		this.timeout = timeout;
		// So that a time that is far away can be compared with others.
		this.end = this.start + Math.min(TimeUnit.NANOSECONDS.convert(timeout), Long.MAX_VALUE / 4);
		this.question = question;
		this.merge = merge;
		this.listener = listener;
		this.items = new ArrayList<>(sources.size());
		this.outcomes = new SourceOutcome[sources.size()];
		this.open = sources.size();
		this.lanes = new ArrayList<>(2);
		for (String source : sources) {
			this.items.add(new Item<>(this.items.size(), source));
		}
		for (int index : spread(sources.size())) {
			laneOf(kinds.of(sources.get(index))).waiting.add(this.items.get(index));
		}
		this.journal = journal.begin(this.id, sources);
	}

	/**
	 * In which order to begin with so many: by steps of the golden section. Neighbours
	 * often have a server or a disk in common, and what ails it; all of the threads that
	 * begin would wait for that one.
	 */
	static int[] spread(int count) {
		int step = Math.max(1, (int) Math.round(count * 0.618));
		while (step > 1 && BigInteger.valueOf(step).gcd(BigInteger.valueOf(count)).intValue() > 1) {
			step--;
		}
		int[] order = new int[count];
		for (int i = 1; i < count; i++) {
			order[i] = (order[i - 1] + step) % count;
		}
		return order;
	}

	/**
	 * Longer than nearly every answer takes that comes at all. Where all take long,
	 * because there is so much to do, more threads would only make it worse.
	 */
	private long patience() {
		return (this.typical == 0) ? FIRST_PATIENCE
				: Math.min(MOST_PATIENCE, Math.max(LEAST_PATIENCE, 4 * this.typical));
	}

	/** By which threads a source is asked. */
	interface KindOf {

		Workers.Kind of(String source);

	}

	/** Watches that a source is asked, and knows what of it must not be told. */
	interface Parts {

		Watch.Watched begin(String source);

		/** Without what is secret of the source. */
		String masked(String source, String text);

	}

	private Lane laneOf(Workers.Kind kind) {
		for (Lane lane : this.lanes) {
			if (lane.kind == kind) {
				return lane;
			}
		}
		Lane lane = new Lane(kind);
		this.lanes.add(lane);
		return lane;
	}

	/** Asks all, and returns when each has an outcome. */
	FanOutAnswer.Outcomes run(Workers workers) {
		boolean interrupted = false;
		try {
			long tick = this.start - TICK;
			while (this.open > 0 && !workers.isClosed()) {
				long now = System.nanoTime();
				if (now - this.end >= 0) {
					break;
				}
				if (now - tick >= TICK) {
					tick = now;
					this.lanes.forEach((lane) -> lane.grow(workers, now));
				}
				boolean waiting = this.lanes.stream().anyMatch((lane) -> !lane.waiting.isEmpty());
				long patience = Math.min(waiting ? TICK : 20 * TICK, this.end - now);
				Item<P> item = this.answered.poll(patience, TimeUnit.NANOSECONDS);
				if (item != null && this.outcomes[item.index()] == null) {
					settle(item, Objects.requireNonNull(item.close().answer()));
				}
			}
		}
		catch (InterruptedException ex) {
			interrupted = true;
		}
		finally {
			end(workers, interrupted);
		}
		return new FanOutAnswer.Outcomes(this.id, Arrays.stream(this.outcomes).map(Objects::requireNonNull).toList(),
				this.failures, Duration.ofNanos(System.nanoTime() - this.start));
	}

	private void end(Workers workers, boolean interrupted) {
		try {
			if (this.open > 0) {
				closeAll(workers, interrupted || workers.isClosed());
			}
		}
		finally {
			if (interrupted) {
				Thread.currentThread().interrupt();
			}
			this.journal.await(this.end);
		}
	}

	private void work(Item<P> item, Runner runner) {
		Deadline deadline = new Deadline(this.end);
		if (!item.begin(runner, deadline)) {
			return;
		}
		Watch.Watched watched = Watch.Watched.NONE;
		Merge.Part<P> part = null;
		Throwable failure = null;
		try {
			watched = this.parts.begin(item.source());
			this.journal.running(item.index());
			part = ask(item, deadline);
		}
		catch (Throwable ex) {
			failure = ex;
		}
		deadline.end();
		// Meant for what has ended.
		Thread.interrupted();
		end(item, watched, failure);
		if (item.end((failure == null) ? part : null, failure)) {
			this.answered.add(item);
		}
	}

	private Merge.Part<P> ask(Item<P> item, Deadline deadline) throws Exception {
		try (Scope scope = Target.ofSource(item.source()).within(deadline).enter();
				Question.Rows<? extends T> rows = this.question.ask()) {
			return this.merge.read(item.index(), item.source(), rows.iterator());
		}
	}

	/** The answer has come, whatever becomes of who watched. */
	private void end(Item<P> item, Watch.Watched watched, @Nullable Throwable failure) {
		try {
			watched.end(((failure == null) ? Status.COMPLETED : statusOf(failure)).toString(), failure);
		}
		catch (RuntimeException | Error ex) {
			logger.warn("{}: what watches fan-outs failed", item.source(), ex);
		}
	}

	private void fail(Item<P> item, Runner runner, Throwable failure) {
		Deadline deadline = new Deadline(this.end);
		if (!item.begin(runner, deadline)) {
			return;
		}
		deadline.end();
		if (item.end(null, failure)) {
			this.answered.add(item);
		}
	}

	/**
	 * Who has not answered by now does not. All are stopped before anybody is told, who
	 * may take his time.
	 */
	private void closeAll(Workers workers, boolean cancelled) {
		Map<Item<P>, Item.Closing<P>> closed = new LinkedHashMap<>();
		List<Item<P>> working = new ArrayList<>();
		for (Item<P> item : this.items) {
			if (this.outcomes[item.index()] == null) {
				Item.Closing<P> closing = item.close();
				closed.put(item, closing);
				Runner runner = closing.working();
				if (closing.answer() == null && runner != null) {
					runner.giveUp();
					working.add(item);
				}
			}
		}
		if (!working.isEmpty()) {
			// It may take a while where there is much to do.
			workers.beside(() -> working.forEach(Item::cut));
		}
		closed.forEach((item, closing) -> {
			Item.Answer<P> answer = closing.answer();
			if (answer != null) {
				settle(item, answer);
			}
			else {
				settle(item, cancelled, closing);
			}
		});
	}

	private void settle(Item<P> item, boolean cancelled, Item.Closing<P> closing) {
		String what = (closing.working() != null) ? "it had not ended, and was stopped" : "its turn had not come";
		if (cancelled) {
			Throwable failure = new CancellationException("The fan-out was stopped: " + what);
			settle(item, Status.FAILED, 0, closing.nanos(), failure.getMessage(), failure);
		}
		else {
			settle(item, Status.TIMED_OUT, 0, closing.nanos(), "After " + this.timeout.toMillis() + " ms " + what,
					null);
		}
	}

	private void settle(Item<P> item, Item.Answer<P> answer) {
		this.typical = (this.typical == 0) ? answer.nanos() : (7 * this.typical + answer.nanos()) / 8;
		Throwable failure = answer.failure();
		Merge.Part<P> part = answer.part();
		if (failure == null && part != null) {
			try {
				this.merge.add(part.kept());
			}
			catch (RuntimeException | Error ex) {
				failure = ex;
			}
		}
		if (failure == null) {
			settle(item, Status.COMPLETED, (part != null) ? part.count() : 0, answer.nanos(), null, null);
		}
		else {
			settle(item, statusOf(failure), 0, answer.nanos(), this.parts.masked(item.source(), describe(failure)),
					failure);
		}
	}

	private void settle(Item<P> item, Status status, long count, long nanos, @Nullable String description,
			@Nullable Throwable failure) {
		SourceOutcome outcome = new SourceOutcome(item.source(), status, count, TimeUnit.NANOSECONDS.toMillis(nanos),
				description);
		this.outcomes[item.index()] = outcome;
		this.open--;
		if (failure != null) {
			this.failures.put(item.source(), failure);
		}
		this.journal.ended(item.index(), outcome);
		try {
			this.listener.accept(outcome);
		}
		catch (RuntimeException | Error ex) {
			logger.warn("{}: a listener failed on its outcome in a fan-out", item.source(), ex);
		}
	}

	/** What waited for something until the deadline failed because of that. */
	private Status statusOf(Throwable failure) {
		Status status = Status.FAILED;
		Throwable cause = failure;
		// Causes may go round in circles.
		for (int depth = 0; cause != null && depth < 50; depth++) {
			if (cause instanceof SourceAccessDeniedException) {
				return Status.REFUSED;
			}
			if (cause instanceof SourceUnavailableException) {
				status = Status.UNAVAILABLE;
			}
			cause = cause.getCause();
		}
		return (System.nanoTime() - this.end >= 0) ? Status.TIMED_OUT : status;
	}

	private static String describe(Throwable failure) {
		Throwable cause = failure;
		for (int depth = 0; cause != null && depth < 50; depth++) {
			if (cause instanceof MultiDbException) {
				return String.valueOf(cause.getMessage());
			}
			cause = cause.getCause();
		}
		Throwable root = NestedExceptionUtils.getMostSpecificCause(failure);
		return (root.getMessage() != null) ? root.getMessage() : root.getClass().getName();
	}

}
