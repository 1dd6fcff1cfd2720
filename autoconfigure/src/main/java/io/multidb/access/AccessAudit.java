package io.multidb.access;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.boot.actuate.audit.AuditEvent;

import io.multidb.Operation;

/**
 * Makes audit events of uses and refusals: of what is the same (user, tenant, source and
 * operation) one per interval, which tells how often it was repeated since the one
 * before. Of the different ones, in one interval no more than {@value #MOST_OF_USER} of
 * one user and {@value #MOST} of each type; the rest is counted, and the count told in
 * one event. So neither a loop nor invented names fill a memory or an audit log, and
 * nobody hides in his flood what others do. Thread-safe.
 */
public final class AccessAudit implements AccessListener {

	/** The type of an event: a user was given a connection. */
	public static final String GRANTED = "DATASOURCE_ACCESS_GRANTED";

	/** The type of an event: a user was refused. */
	public static final String DENIED = "DATASOURCE_ACCESS_DENIED";

	/** As many as Spring Boot's repository in memory keeps. */
	static final int MOST = 1000;

	/** Who invents more names than that need not be told of each. */
	static final int MOST_OF_USER = 100;

	/** Characters of a name, which may be anybody's invention. */
	private static final int SHOWN = 100;

	private static final Logger logger = LoggerFactory.getLogger(AccessAudit.class);

	private final Consumer<AuditEvent> publisher;

	private final long interval;

	private final LongSupplier ticker;

	private final Series denied;

	private final @Nullable Series granted;

	/**
	 * Creates the audit.
	 * @param publisher takes the events; what it throws is logged
	 * @param interval how long the same is not told again
	 * @param uses whether uses are told, too, and not only refusals
	 */
	public AccessAudit(Consumer<AuditEvent> publisher, Duration interval, boolean uses) {
		this(publisher, interval, uses, System::nanoTime);
	}

	AccessAudit(Consumer<AuditEvent> publisher, Duration interval, boolean uses, LongSupplier ticker) {
		this.publisher = publisher;
		this.interval = interval.toNanos();
		this.ticker = ticker;
		this.denied = new Series(DENIED);
		this.granted = uses ? new Series(GRANTED) : null;
	}

	@Override
	public void decided(AccessEvent event) {
		Series series = event.allowed() ? this.granted : this.denied;
		if (series != null) {
			series.add(event, this.ticker.getAsLong());
		}
	}

	/** How many different ones are remembered. */
	int size() {
		return this.denied.seen.size() + ((this.granted != null) ? this.granted.seen.size() : 0);
	}

	private void publish(AuditEvent event) {
		try {
			this.publisher.accept(event);
		}
		catch (RuntimeException ex) {
			logger.error("The audit event {} could not be published", event, ex);
		}
	}

	private record Key(@Nullable String user, @Nullable String tenant, String source, Operation operation) {

		static Key of(AccessEvent event) {
			return new Key(brief(event.user()), brief(event.tenant()), String.valueOf(brief(event.source())),
					event.operation());
		}

		private static @Nullable String brief(@Nullable String name) {
			return (name == null || name.length() <= SHOWN) ? name : name.substring(0, SHOWN) + "…";
		}

		String userName() {
			return (this.user != null) ? this.user : "";
		}

		AuditEvent event(String type, @Nullable String reason, long repeated) {
			Map<String, @Nullable Object> data = new LinkedHashMap<>();
			data.put("source", this.source);
			if (this.tenant != null) {
				data.put("tenant", this.tenant);
			}
			data.put("operation", this.operation.name());
			if (reason != null) {
				data.put("reason", reason);
			}
			if (repeated > 0) {
				data.put("repeated", repeated);
			}
			return new AuditEvent(this.user, type, data);
		}

	}

	/** What is the same. */
	private static final class Seen {

		/** In the ticker's time. */
		private final AtomicLong toldAt;

		private final AtomicLong since = new AtomicLong();

		/** Whose it is; {@code null} if nobody's in particular. */
		private final @Nullable OfUser user;

		Seen(@Nullable OfUser user, long now) {
			this.user = user;
			this.toldAt = new AtomicLong(now);
		}

		/** How many there were since the last one, or -1 if it is too early for this. */
		long tell(long now, long interval) {
			long last = this.toldAt.get();
			if (now - last >= interval && this.toldAt.compareAndSet(last, now)) {
				return this.since.getAndSet(0);
			}
			this.since.incrementAndGet();
			return -1;
		}

	}

	/** How much of one type is remembered of a user. */
	private static final class OfUser {

		private final AtomicLong size = new AtomicLong();

		private final Seen others;

		OfUser(long now, long interval) {
			this.others = new Seen(null, now - interval);
		}

		boolean isFull() {
			return this.size.get() >= MOST_OF_USER;
		}

	}

	/** The events of one type. */
	private final class Series {

		private final String type;

		private final Map<Key, Seen> seen = new ConcurrentHashMap<>();

		/** How many are remembered; a map of many threads would have to count them. */
		private final AtomicLong size = new AtomicLong();

		/** Of whom anything is remembered; {@code ""} is nobody. */
		private final Map<String, OfUser> users = new ConcurrentHashMap<>();

		private final Seen others;

		private final AtomicLong sweptAt;

		Series(String type) {
			this.type = type;
			long now = AccessAudit.this.ticker.getAsLong();
			this.others = new Seen(null, now - AccessAudit.this.interval);
			this.sweptAt = new AtomicLong(now);
		}

		void add(AccessEvent event, long now) {
			Key key = Key.of(event);
			Seen known = this.seen.get(key);
			if (known == null) {
				OfUser user = room(key, now);
				if (user == null) {
					addOther(key, now);
					return;
				}
				known = this.seen.putIfAbsent(key, new Seen(user, now));
				if (known == null) {
					publish(key.event(this.type, event.reason(), 0));
					return;
				}
				leave(user);
			}
			long repeated = known.tell(now, AccessAudit.this.interval);
			if (repeated >= 0) {
				publish(key.event(this.type, event.reason(), repeated));
			}
		}

		private void addOther(Key key, long now) {
			OfUser user = this.users.get(key.userName());
			if (user != null && user.isFull()) {
				tell(user.others, key.user(), now);
			}
			else {
				tell(this.others, null, now);
			}
		}

		private void tell(Seen others, @Nullable String user, long now) {
			long repeated = others.tell(now, AccessAudit.this.interval);
			if (repeated >= 0) {
				publish(new AuditEvent(user, this.type, Map.of("others", repeated + 1)));
			}
		}

		/** Takes a place for one more; {@code null} if there is none. */
		private @Nullable OfUser room(Key key, long now) {
			OfUser user = take(key, now);
			long last = this.sweptAt.get();
			// Not for each of a flood
			if (user != null || now - last < AccessAudit.this.interval || !this.sweptAt.compareAndSet(last, now)) {
				return user;
			}
			this.seen.values().removeIf((each) -> {
				boolean old = now - each.toldAt.get() >= AccessAudit.this.interval;
				if (old && each.user != null) {
					leave(each.user);
				}
				return old;
			});
			this.users.values().removeIf((each) -> each.size.get() == 0);
			return take(key, now);
		}

		private @Nullable OfUser take(Key key, long now) {
			if (this.size.incrementAndGet() > MOST) {
				this.size.decrementAndGet();
				return null;
			}
			OfUser user = this.users.computeIfAbsent(key.userName(),
					(name) -> new OfUser(now, AccessAudit.this.interval));
			if (user.size.incrementAndGet() > MOST_OF_USER) {
				leave(user);
				return null;
			}
			return user;
		}

		private void leave(OfUser user) {
			user.size.decrementAndGet();
			this.size.decrementAndGet();
		}

	}

}
