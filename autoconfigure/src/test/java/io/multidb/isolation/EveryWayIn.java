package io.multidb.isolation;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

import javax.sql.DataSource;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import jakarta.persistence.PersistenceContext;
import org.hibernate.SessionFactory;
import org.hibernate.StatelessSession;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.data.jdbc.autoconfigure.DataJdbcRepositoriesAutoConfiguration;
import org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.OptimisticLockingFailureException;
import org.springframework.data.annotation.Transient;
import org.springframework.data.domain.PageRequest;
import org.springframework.data.domain.Persistable;
import org.springframework.data.domain.Sort;
import org.springframework.data.jdbc.repository.config.EnableJdbcRepositories;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.JpaSpecificationExecutor;
import org.springframework.data.jpa.repository.Modifying;
import org.springframework.data.jpa.repository.Query;
import org.springframework.data.jpa.repository.config.EnableJpaRepositories;
import org.springframework.data.relational.core.mapping.Table;
import org.springframework.data.repository.CrudRepository;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.core.simple.SimpleJdbcInsert;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionException;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.OpenTransaction;
import io.multidb.Scope;
import io.multidb.SourceAccessDeniedException;
import io.multidb.SourceContext;
import io.multidb.SourceSwitchException;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.WrongSourceException;
import io.multidb.access.CurrentUser;
import io.multidb.access.Permission;
import io.multidb.access.TestGrants;
import io.multidb.access.Users;
import io.multidb.autoconfigure.MultiDbAccessAutoConfiguration;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbDataJdbcAutoConfiguration;
import io.multidb.autoconfigure.MultiDbJpaAutoConfiguration;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Works at random, in many threads, on many tenants, by every way in which an application
 * reaches a database, with switches, failures and rollbacks anywhere; and then looks into
 * each database, past the library, whether it holds the rows that were committed to it
 * and no others. What one thread does depends on the seed and its number alone.
 */
final class EveryWayIn {

	private static final String CREATE = "CREATE TABLE entry (id BIGINT PRIMARY KEY, tenant VARCHAR(64) NOT NULL,"
			+ " way VARCHAR(40) NOT NULL)";

	/** Tenants that share a source with others, by source. */
	private static final int SHARING = 2;

	/** A way in which a row is written. */
	enum Way {

		CONNECTION, JDBC_TEMPLATE, JDBC_CLIENT, NAMED_PARAMETERS, SIMPLE_INSERT, BATCH, DATA_JDBC_SAVE, DATA_JPA_SAVE,
		DATA_JPA_SAVE_ALL, DATA_JPA_NATIVE, ENTITY_MANAGER_PERSIST, ENTITY_MANAGER_MERGE, STATELESS_SESSION,
		BULK_UPDATE, BULK_DELETE, REMOVE, READ_DERIVED, READ_JPQL, READ_NATIVE, READ_SPECIFICATION, READ_PROJECTION,
		READ_STREAM, READ_PAGE, READ_DATA_JDBC, READ_JDBC_STREAM

	}

	/** What is done around the ways in. */
	enum Act {

		PLAIN, COMMIT, ROLL_BACK, FAIL, SWITCH_REFUSED, REQUIRES_NEW, NOT_SUPPORTED, SUSPEND, SAME_SOURCE,
		STRAY_CONNECTION, STRAY_STREAM

	}

	private final long seed;

	/** URL by source. */
	private final Map<String, String> urls = new TreeMap<>();

	private final Map<String, Set<Long>> expected = new ConcurrentHashMap<>();

	private final List<String> tenants = new ArrayList<>();

	private final Map<Way, AtomicLong> ways = new EnumMap<>(Way.class);

	private final Map<Act, AtomicLong> acts = new EnumMap<>(Act.class);

	private final AtomicLong operations = new AtomicLong();

	private final AtomicLong busy = new AtomicLong();

	private ApplicationContextRunner application = new ApplicationContextRunner();

	EveryWayIn(long seed) {
		this.seed = seed;
		for (Way each : Way.values()) {
			this.ways.put(each, new AtomicLong());
		}
		for (Act each : Act.values()) {
			this.acts.put(each, new AtomicLong());
		}
	}

	EveryWayIn sqlite(Path directory, int count) {
		for (int i = 0; i < count; i++) {
			add("s" + i, "jdbc:sqlite:" + directory.resolve("s" + i + ".db"));
		}
		return this;
	}

	EveryWayIn add(String source, String url) {
		this.urls.put(source, url);
		this.expected.put(source, ConcurrentHashMap.newKeySet());
		this.tenants.add(source);
		for (int i = 0; i < SHARING; i++) {
			this.tenants.add(source + "-" + i);
		}
		return this;
	}

	/** In an application in which every DataSource is wrapped, as a library does it. */
	EveryWayIn wrapped(UnaryOperator<DataSource> wrapper) {
		this.application = this.application.withBean(BeanPostProcessor.class, () -> new BeanPostProcessor() {

			@Override
			public Object postProcessAfterInitialization(Object bean, String name) {
				return (bean instanceof DataSource dataSource) ? wrapper.apply(dataSource) : bean;
			}

		});
		return this;
	}

	private static String source(String tenant) {
		int dash = tenant.indexOf('-');
		return (dash < 0) ? tenant : tenant.substring(0, dash);
	}

	/**
	 * Does at least a number of operations and checks every database.
	 */
	void run(int threads, long atLeast) {
		System.out.println("EveryWayIn: seed " + this.seed + ", " + threads + " threads, " + this.urls.size()
				+ " sources, " + this.tenants.size() + " tenants");
		runner().run((context) -> {
			assertThat(context).hasNotFailed();
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			for (String source : this.urls.keySet()) {
				Sources.execute(registry.get(source), CREATE);
			}
			ExecutorService executor = Executors.newFixedThreadPool(threads);
			try {
				List<Future<?>> workers = new ArrayList<>();
				for (int i = 0; i < threads; i++) {
					Worker worker = new Worker(this, i, context.getBean(Doors.class), context.getBean(Journeys.class));
					workers.add(executor.submit(() -> worker.work(atLeast)));
				}
				for (Future<?> each : workers) {
					each.get();
				}
			}
			finally {
				executor.shutdown();
				assertThat(executor.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
			}
			for (String source : this.urls.keySet()) {
				Sources.assertIdle(registry.get(source));
			}
		});
		System.out.println("EveryWayIn: " + this.operations + " operations, " + this.busy + " met a busy database\n  "
				+ this.ways + "\n  " + this.acts);
		check();
	}

	private ApplicationContextRunner runner() {
		return this.application
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbJpaAutoConfiguration.class,
					MultiDbDataJdbcAutoConfiguration.class, DataSourceAutoConfiguration.class,
					DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
					JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class, AopAutoConfiguration.class,
					HibernateJpaAutoConfiguration.class, DataJpaRepositoriesAutoConfiguration.class,
					DataJdbcRepositoriesAutoConfiguration.class))
			.withUserConfiguration(Beans.class)
			.withPropertyValues(properties());
	}

	/**
	 * Goes every way for somebody who may use nothing, who may read, and who may write.
	 */
	void askWhoMay() {
		Users users = new Users();
		TestGrants grants = new TestGrants();
		this.urls.keySet().forEach((source) -> grants.read("grace", source).admin("ada", source));
		runner().withConfiguration(AutoConfigurations.of(MultiDbAccessAutoConfiguration.class))
			.withBean(TestGrants.class, () -> grants)
			.withBean(CurrentUser.class, () -> users)
			.run((context) -> {
				assertThat(context).hasNotFailed();
				SourceRegistry registry = context.getBean(SourceRegistry.class);
				Doors doors = context.getBean(Doors.class);
				for (String source : this.urls.keySet()) {
					users.set("bob");
					for (Way way : Way.values()) {
						assertThat(isDenied(doors, way, source)).as("%s to %s", way, source).isTrue();
					}
					assertThat(registry.get(source).state()).isInstanceOf(SourceState.Cold.class);
					Sources.execute(registry.get(source), CREATE);
					Sources.execute(registry.get(source), "INSERT INTO entry VALUES (1, '" + source + "', 'none')");
					users.set("grace");
					for (Way way : Way.values()) {
						assertThat(isDenied(doors, way, source)).as("%s to %s", way, source)
							.isEqualTo(!way.name().startsWith("READ"));
					}
					assertThat(Sources.query(registry.get(source), "SELECT count(*) FROM entry WHERE way = 'none'"))
						.isEqualTo("1");
					assertThat(Sources.query(registry.get(source), "SELECT count(*) FROM entry")).isEqualTo("1");
					users.set("ada");
					for (Way way : Way.values()) {
						assertThat(isDenied(doors, way, source)).as("%s to %s", way, source).isFalse();
					}
					assertThat(Sources.query(registry.get(source), "SELECT count(*) FROM entry")).isNotEqualTo("1");
					askAboutTheSecondTenant(doors, grants, source);
					Sources.assertIdle(registry.get(source));
				}
			});
	}

	/** Who may all for a source's own tenant has entered another in its transaction. */
	private void askAboutTheSecondTenant(Doors doors, TestGrants grants, String source) {
		String second = source + "-0";
		for (Permission.Level level : new Permission.Level[] { null, Permission.Level.READ, Permission.Level.ADMIN }) {
			if (level != null) {
				grants.grant("ada", source, second, level);
			}
			for (Way way : Way.values()) {
				if (way == Way.CONNECTION || way == Way.STATELESS_SESSION) {
					// They share no connection.
					continue;
				}
				AtomicBoolean refused = new AtomicBoolean();
				TenantContext.run(source, () -> doors.transaction.executeWithoutResult((status) -> {
					status.setRollbackOnly();
					// Known to the session, which needs no connection for it any more.
					doors.entityManager.find(Entry.class, 1L);
					try {
						TenantContext.run(second, () -> doors.go(way, source, this.operations.incrementAndGet() + 10,
								1L, new Changes(source), true));
					}
					catch (RuntimeException ex) {
						assertThat(Worker.rootCause(ex)).as("%s for %s", way, second)
							.isInstanceOf(SourceAccessDeniedException.class);
						refused.set(true);
					}
				}));
				assertThat(refused.get()).as("%s for %s, which may be used by %s", way, second, level)
					.isEqualTo(level != Permission.Level.ADMIN);
			}
		}
	}

	/** Whether it is in a transaction, without one, or both. */
	private boolean isDenied(Doors doors, Way way, String source) {
		boolean denied = false;
		for (boolean transaction : new boolean[] { false, true }) {
			long id = this.operations.incrementAndGet() + 10;
			Runnable work = () -> doors.go(way, source, id, 1L, new Changes(source), transaction);
			try {
				TenantContext.run(source,
						transaction ? () -> doors.transaction.executeWithoutResult((status) -> work.run()) : work);
			}
			catch (RuntimeException ex) {
				assertThat(ex).hasRootCauseInstanceOf(SourceAccessDeniedException.class);
				denied = true;
			}
		}
		return denied;
	}

	private String[] properties() {
		List<String> properties = new ArrayList<>(List.of("spring.jpa.hibernate.ddl-auto=none"));
		this.urls.forEach((source, url) -> {
			String prefix = "app.datasources." + source + ".";
			properties.add(prefix + "url=" + url);
			// A thread holds up to three at a time, one in the other.
			properties.add(prefix + "hikari.maximum-pool-size=30");
			if (url.startsWith("jdbc:sqlite:")) {
				properties.add(prefix + "hikari.data-source-properties.journal_mode=WAL");
				properties.add(prefix + "hikari.data-source-properties.synchronous=OFF");
				properties.add(prefix + "hikari.data-source-properties.busy_timeout=300");
			}
		});
		int route = 0;
		for (String source : this.urls.keySet()) {
			properties.add("app.tenancy.routes[" + route + "].tenants=" + source + "-*");
			properties.add("app.tenancy.routes[" + route + "].source=" + source);
			route++;
		}
		properties.add("app.tenancy.routes[" + route + "].tenants=*");
		properties.add("app.tenancy.routes[" + route + "].source={tenant}");
		return properties.toArray(new String[0]);
	}

	/** Looks into the databases with nothing but their drivers. */
	private void check() {
		this.urls.forEach((source, url) -> {
			Set<Long> found = new HashSet<>();
			Set<String> owners = new TreeSet<>();
			try (Connection connection = DriverManager.getConnection(url);
					Statement statement = connection.createStatement();
					ResultSet rows = statement.executeQuery("SELECT id, tenant FROM entry")) {
				while (rows.next()) {
					found.add(rows.getLong(1));
					owners.add(source(rows.getString(2)));
				}
			}
			catch (SQLException ex) {
				throw new IllegalStateException(ex);
			}
			assertThat(owners).as("owners of the rows in " + source).containsOnly(source);
			Set<Long> missing = new TreeSet<>(this.expected.get(source));
			missing.removeAll(found);
			found.removeAll(this.expected.get(source));
			assertThat(missing).as("rows missing in " + source).isEmpty();
			assertThat(found).as("rows in " + source + " that nobody committed").isEmpty();
		});
	}

	/** What a transaction will have changed once it is committed. */
	static final class Changes {

		private final String source;

		private final Set<Long> added = new HashSet<>();

		private final Set<Long> removed = new HashSet<>();

		Changes(String source) {
			this.source = source;
		}

		void commit(EveryWayIn all) {
			Set<Long> rows = all.expected.get(this.source);
			rows.addAll(this.added);
			rows.removeAll(this.removed);
		}

	}

	/** One thread. */
	private static final class Worker {

		private final EveryWayIn all;

		private final SplittableRandom random;

		private final Doors doors;

		private final Journeys journeys;

		private final Map<String, List<Long>> mine = new TreeMap<>();

		private long next;

		Worker(EveryWayIn all, int number, Doors doors, Journeys journeys) {
			this.all = all;
			this.random = new SplittableRandom(all.seed * 31 + number);
			this.doors = doors;
			this.journeys = journeys;
			this.next = (number + 1L) << 40;
		}

		void work(long atLeast) {
			while (this.all.operations.get() < atLeast) {
				String tenant = tenant();
				try (Scope scope = TenantContext.enter(tenant)) {
					act(tenant, 0);
				}
				assertThat(TenantContext.current()).isNull();
				assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
				assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
			}
		}

		private String tenant() {
			return this.all.tenants.get(this.random.nextInt(this.all.tenants.size()));
		}

		private String elsewhere(String tenant) {
			String other = tenant();
			while (source(other).equals(source(tenant))) {
				other = tenant();
			}
			return other;
		}

		private void act(String tenant, int depth) {
			Act[] acts = Act.values();
			Act act = acts[this.random.nextInt(acts.length)];
			this.all.acts.get(act).incrementAndGet();
			switch (act) {
				case PLAIN -> plain(tenant);
				case COMMIT -> transaction(tenant, () -> {
				});
				case ROLL_BACK -> rolledBack(tenant);
				case FAIL -> failed(tenant);
				case SWITCH_REFUSED -> transaction(tenant, () -> refused(elsewhere(tenant)));
				case REQUIRES_NEW -> transaction(tenant, () -> requiresNew(elsewhere(tenant), depth));
				case NOT_SUPPORTED -> transaction(tenant,
						() -> withoutTransaction(elsewhere(tenant), depth, this.journeys::notSupported));
				case SUSPEND ->
					transaction(tenant, () -> withoutTransaction(elsewhere(tenant), depth, this.journeys::suspending));
				case SAME_SOURCE -> sameSource(tenant);
				case STRAY_CONNECTION -> strayConnection(tenant);
				case STRAY_STREAM -> strayStream(tenant);
			}
		}

		/** Each operation in a transaction of its own, or none. */
		private void plain(String tenant) {
			for (int i = this.random.nextInt(3); i >= 0; i--) {
				Changes changes = new Changes(source(tenant));
				if (tolerant(() -> operate(tenant, changes, false))) {
					commit(changes);
				}
			}
		}

		private void transaction(String tenant, Runnable inTheMiddle) {
			Changes changes = new Changes(source(tenant));
			if (tolerant(() -> this.doors.transaction.executeWithoutResult((status) -> {
				operateSome(tenant, changes);
				inTheMiddle.run();
				operateSome(tenant, changes);
			}))) {
				commit(changes);
			}
		}

		private void rolledBack(String tenant) {
			tolerant(() -> this.doors.transaction.executeWithoutResult((status) -> {
				operateSome(tenant, new Changes(source(tenant)));
				status.setRollbackOnly();
			}));
		}

		private void failed(String tenant) {
			try {
				tolerant(() -> this.doors.transaction.executeWithoutResult((status) -> {
					operateSome(tenant, new Changes(source(tenant)));
					throw new Thrown();
				}));
			}
			catch (Thrown ex) {
				// As meant.
			}
		}

		private void refused(String other) {
			try (Scope scope = this.random.nextBoolean() ? TenantContext.enter(other)
					: SourceContext.enter(source(other))) {
				throw new AssertionError("Entered " + other + " in a transaction of another source");
			}
			catch (SourceSwitchException ex) {
				// As meant.
			}
			if (this.random.nextInt(4) == 0) {
				try {
					this.journeys.required(other, () -> {
						throw new AssertionError("Took part for " + other + " in a transaction of another source");
					});
				}
				catch (SourceSwitchException ex) {
					// As meant.
				}
			}
		}

		private void requiresNew(String other, int depth) {
			Changes changes = new Changes(source(other));
			try {
				this.journeys.requiresNew(other, () -> {
					operateSome(other, changes);
					if (depth < 2 && this.random.nextInt(3) == 0) {
						requiresNew(elsewhere(other), depth + 1);
					}
					operateSome(other, changes);
					maybeThrow();
				});
				commit(changes);
			}
			catch (Thrown ex) {
				// The outer work goes on.
			}
		}

		private void withoutTransaction(String other, int depth, Journey journey) {
			try {
				journey.make(other, () -> {
					assertThat(TenantContext.current()).isEqualTo(other);
					if (depth < 2) {
						act(other, depth + 1);
					}
					maybeThrow();
				});
			}
			catch (Thrown ex) {
				// The outer work goes on, and what is done is done.
			}
		}

		private void maybeThrow() {
			if (this.random.nextInt(4) == 0) {
				throw new Thrown();
			}
		}

		private void sameSource(String tenant) {
			String sharing = source(tenant) + "-" + this.random.nextInt(SHARING);
			Changes changes = new Changes(source(tenant));
			if (tolerant(() -> this.doors.transaction.executeWithoutResult((status) -> {
				operateSome(tenant, changes);
				TenantContext.run(sharing, () -> operateSome(sharing, changes));
				this.journeys.required(sharing, () -> operateSome(sharing, changes));
			}))) {
				commit(changes);
			}
		}

		private void strayConnection(String tenant) {
			tolerant(() -> {
				try (Connection connection = this.doors.dataSource.getConnection();
						PreparedStatement prepared = connection
							.prepareStatement("INSERT INTO entry VALUES (?, ?, ?)")) {
					try (Scope scope = TenantContext.enter(elsewhere(tenant))) {
						assertRefused(() -> connection.prepareStatement("SELECT 1").close());
						assertRefused(() -> prepared.setLong(1, -1));
						assertRefused(prepared::executeUpdate);
						assertRefused(connection::commit);
						assertThat(connection.isClosed()).isFalse();
					}
				}
				catch (SQLException ex) {
					throw new IllegalStateException(ex);
				}
			});
		}

		/** A stream that is consumed after its scope, or under another tenant. */
		private void strayStream(String tenant) {
			tolerant(() -> {
				try (Stream<Long> stream = this.doors.jdbc.queryForStream("SELECT id FROM entry UNION SELECT -1",
						(row, number) -> row.getLong(1))) {
					try (Scope scope = TenantContext.enter(elsewhere(tenant))) {
						List<Long> rows = stream.toList();
						throw new AssertionError("Read " + rows.size() + " rows of " + tenant + " elsewhere");
					}
					catch (SourceSwitchException ex) {
						// In a synchronization without transaction, the stream's
						// connection is kept.
						assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isTrue();
					}
					catch (DataAccessException ex) {
						assertThat(ex).hasRootCauseInstanceOf(WrongSourceException.class);
					}
				}
			});
		}

		private static void assertRefused(JdbcWork work) {
			try {
				work.run();
			}
			catch (SQLException ex) {
				assertThat(ex.getCause()).isInstanceOf(WrongSourceException.class);
				return;
			}
			throw new AssertionError("A connection worked under another tenant");
		}

		private void operateSome(String tenant, Changes changes) {
			for (int i = this.random.nextInt(3); i >= 0; i--) {
				operate(tenant, changes, true);
			}
		}

		private void operate(String tenant, Changes changes, boolean transaction) {
			Way[] all = Way.values();
			Way way = all[this.random.nextInt(all.length)];
			this.all.operations.incrementAndGet();
			this.all.ways.get(way).incrementAndGet();
			long id = this.next++;
			this.doors.go(way, tenant, id, known(tenant, changes), changes, transaction);
		}

		/** A row of this thread's that is there, or none. */
		private @Nullable Long known(String tenant, Changes changes) {
			List<Long> rows = this.mine.get(source(tenant));
			if (rows == null || rows.isEmpty()) {
				return null;
			}
			Long row = rows.get(this.random.nextInt(rows.size()));
			// Removed in this transaction, or added by an outer one that may roll back.
			return changes.removed.contains(row) ? null : row;
		}

		private void commit(Changes changes) {
			changes.commit(this.all);
			List<Long> rows = this.mine.computeIfAbsent(changes.source, (source) -> new ArrayList<>());
			rows.addAll(changes.added);
			rows.removeAll(changes.removed);
			if (rows.size() > 200) {
				rows.subList(0, 150).clear();
			}
		}

		/**
		 * Runs something that fails as a whole where another writer stands in the way.
		 */
		private boolean tolerant(Runnable work) {
			try {
				work.run();
				return true;
			}
			catch (DataAccessException | TransactionException | jakarta.persistence.PersistenceException ex) {
				String reason = String.valueOf(rootCause(ex).getMessage());
				// The last: a transaction inside this one removed the same row.
				if (!reason.contains("SQLITE_BUSY") && !reason.contains("lock timeout")
						&& !(ex instanceof OptimisticLockingFailureException)) {
					throw ex;
				}
				this.all.busy.incrementAndGet();
				return false;
			}
		}

		private static Throwable rootCause(Throwable ex) {
			Throwable root = ex;
			while (root.getCause() != null) {
				root = root.getCause();
			}
			return root;
		}

	}

	@FunctionalInterface
	private interface Journey {

		void make(String tenant, Runnable work);

	}

	@FunctionalInterface
	private interface JdbcWork {

		void run() throws SQLException;

	}

	/** A failure of the application's own. */
	private static final class Thrown extends RuntimeException {

		private static final long serialVersionUID = 1L;

		Thrown() {
			super("thrown", null, false, false);
		}

	}

	/** A service that does its work for another tenant. */
	static class Journeys {

		@Tenant("#tenant")
		@Transactional
		public void required(String tenant, Runnable work) {
			work.run();
		}

		@Tenant("#tenant")
		@Transactional(propagation = Propagation.REQUIRES_NEW)
		public void requiresNew(String tenant, Runnable work) {
			work.run();
		}

		@Tenant("#tenant")
		@Transactional(propagation = Propagation.NOT_SUPPORTED)
		public void notSupported(String tenant, Runnable work) {
			work.run();
		}

		@Tenant(value = "#tenant", transaction = OpenTransaction.SUSPEND)
		public void suspending(String tenant, Runnable work) {
			work.run();
		}

	}

	/** The ways in. */
	static class Doors {

		private static final String INSERT = "INSERT INTO entry (id, tenant, way) VALUES (?, ?, ?)";

		private final DataSource dataSource;

		private final JdbcTemplate jdbc;

		private final JdbcClient client;

		private final NamedParameterJdbcTemplate named;

		private final SimpleJdbcInsert insert;

		private final Rows rows;

		private final Entries entries;

		private final SessionFactory sessionFactory;

		private final TransactionTemplate transaction;

		@PersistenceContext
		private EntityManager entityManager;

		@Autowired
		Doors(DataSource dataSource, JdbcTemplate jdbc, JdbcClient client, NamedParameterJdbcTemplate named, Rows rows,
				Entries entries, EntityManagerFactory factory, PlatformTransactionManager transactions) {
			this.dataSource = dataSource;
			this.jdbc = jdbc;
			this.client = client;
			this.named = named;
			this.insert = new SimpleJdbcInsert(jdbc).withTableName("entry")
				.usingColumns("id", "tenant", "way")
				// It would take SQLite's column types for PostgreSQL's.
				.withoutTableColumnMetaDataAccess();
			this.rows = rows;
			this.entries = entries;
			this.sessionFactory = factory.unwrap(SessionFactory.class);
			this.transaction = new TransactionTemplate(transactions);
		}

		void go(Way way, String tenant, long id, @Nullable Long known, Changes changes, boolean transaction) {
			switch (way) {
				case CONNECTION -> connection(tenant, id, changes, transaction);
				case JDBC_TEMPLATE -> added(changes, id, this.jdbc.update(INSERT, id, tenant, way.name()));
				case JDBC_CLIENT -> added(changes, id, this.client.sql(INSERT).params(id, tenant, way.name()).update());
				case NAMED_PARAMETERS -> added(changes, id,
						this.named.update("INSERT INTO entry (id, tenant, way) VALUES (:id, :tenant, :way)",
								Map.of("id", id, "tenant", tenant, "way", way.name())));
				case SIMPLE_INSERT ->
					added(changes, id, this.insert.execute(Map.of("id", id, "tenant", tenant, "way", way.name())));
				case BATCH -> {
					if (transaction) {
						this.jdbc.batchUpdate(INSERT, List.of(new Object[] { id, tenant, way.name() },
								new Object[] { -id, tenant, way.name() }));
						changes.added.addAll(List.of(id, -id));
					}
				}
				case DATA_JDBC_SAVE -> {
					this.rows.save(new Row(id, tenant, way.name()));
					changes.added.add(id);
				}
				case DATA_JPA_SAVE -> {
					this.entries.save(new Entry(id, tenant, way.name()));
					changes.added.add(id);
				}
				case DATA_JPA_SAVE_ALL -> {
					this.entries.saveAllAndFlush(
							List.of(new Entry(id, tenant, way.name()), new Entry(-id, tenant, way.name())));
					changes.added.addAll(List.of(id, -id));
				}
				case DATA_JPA_NATIVE -> added(changes, id, this.entries.add(id, tenant, way.name()));
				case ENTITY_MANAGER_PERSIST -> {
					if (transaction) {
						this.entityManager.persist(new Entry(id, tenant, way.name()));
						changes.added.add(id);
					}
				}
				case ENTITY_MANAGER_MERGE -> {
					if (transaction) {
						this.entityManager.merge(new Entry(id, tenant, way.name()));
						changes.added.add(id);
					}
				}
				case STATELESS_SESSION -> {
					// Has a connection of its own, which waits for the transaction's on
					// SQLite.
					if (!transaction) {
						stateless(new Entry(id, tenant, way.name()));
						changes.added.add(id);
					}
				}
				case BULK_UPDATE -> {
					if (known != null) {
						this.entries.rename(known, way.name());
					}
				}
				case BULK_DELETE -> {
					if (known != null) {
						removed(changes, known, this.entries.drop(known));
					}
				}
				case REMOVE -> {
					if (known != null) {
						this.entries.findById(known).ifPresent((entry) -> {
							this.entries.delete(entry);
							changes.removed.add(known);
						});
					}
				}
				case READ_DERIVED -> belong(this.entries.findTop5ByWayOrderByIdDesc("BATCH"), tenant);
				case READ_JPQL -> belong(this.entries.latest(PageRequest.of(0, 5)), tenant);
				case READ_NATIVE -> belongAll(this.entries.owners(), tenant);
				case READ_SPECIFICATION -> belong(
						this.entries
							.findAll((root, query, builder) -> builder.equal(root.get("way"), "JDBC_CLIENT"),
									PageRequest.of(0, 5))
							.getContent(),
						tenant);
				case READ_PROJECTION ->
					belongAll(this.entries.findTop5ByIdLessThan(id).stream().map(Owner::getTenant).toList(), tenant);
				case READ_STREAM -> {
					if (transaction) {
						try (Stream<Entry> stream = this.entries.streamTop20ByIdGreaterThan(0)) {
							belong(stream.limit(5).toList(), tenant);
						}
					}
				}
				case READ_PAGE ->
					belong(this.entries.findAll(PageRequest.of(0, 5, Sort.by("id").descending())).getContent(), tenant);
				case READ_DATA_JDBC ->
					belongAll(this.rows.findTop5ByWay("SIMPLE_INSERT").stream().map(Row::tenant).toList(), tenant);
				case READ_JDBC_STREAM -> {
					try (Stream<String> stream = this.jdbc.queryForStream("SELECT tenant FROM entry LIMIT 5",
							(row, number) -> row.getString(1))) {
						belongAll(stream.toList(), tenant);
					}
				}
			}
		}

		private void connection(String tenant, long id, Changes changes, boolean transaction) {
			if (transaction) {
				return;
			}
			try (Connection connection = this.dataSource.getConnection();
					PreparedStatement statement = connection.prepareStatement(INSERT)) {
				statement.setLong(1, id);
				statement.setString(2, tenant);
				statement.setString(3, Way.CONNECTION.name());
				added(changes, id, statement.executeUpdate());
			}
			catch (SQLException ex) {
				throw new org.springframework.jdbc.UncategorizedSQLException("insert", INSERT, ex);
			}
		}

		private void stateless(Entry entry) {
			try (StatelessSession session = this.sessionFactory.openStatelessSession()) {
				org.hibernate.Transaction transaction = session.beginTransaction();
				try {
					session.insert(entry);
					transaction.commit();
				}
				catch (RuntimeException ex) {
					transaction.rollback();
					throw ex;
				}
			}
		}

		private static void added(Changes changes, long id, int rows) {
			assertThat(rows).isEqualTo(1);
			changes.added.add(id);
		}

		private static void removed(Changes changes, long id, int rows) {
			if (rows == 1) {
				changes.removed.add(id);
			}
		}

		private static void belong(Collection<Entry> entries, String tenant) {
			belongAll(entries.stream().map(Entry::tenant).toList(), tenant);
		}

		private static void belongAll(Collection<String> owners, String tenant) {
			for (String owner : owners) {
				if (!source(owner).equals(source(tenant))) {
					throw new AssertionError("Read a row of " + owner + " for " + tenant);
				}
			}
		}

	}

	interface Rows extends CrudRepository<Row, Long> {

		List<Row> findTop5ByWay(String way);

	}

	interface Entries extends JpaRepository<Entry, Long>, JpaSpecificationExecutor<Entry> {

		List<Entry> findTop5ByWayOrderByIdDesc(String way);

		@Query("select e from entry e order by e.id desc")
		List<Entry> latest(PageRequest page);

		@Query(nativeQuery = true, value = "SELECT DISTINCT tenant FROM entry")
		List<String> owners();

		List<Owner> findTop5ByIdLessThan(long id);

		Stream<Entry> streamTop20ByIdGreaterThan(long id);

		@Modifying
		@Transactional
		@Query(nativeQuery = true, value = "INSERT INTO entry (id, tenant, way) VALUES (?1, ?2, ?3)")
		int add(long id, String tenant, String way);

		@Modifying(flushAutomatically = true, clearAutomatically = true)
		@Transactional
		@Query("update entry e set e.way = ?2 where e.id = ?1")
		int rename(long id, String way);

		@Modifying(flushAutomatically = true, clearAutomatically = true)
		@Transactional
		@Query("delete from entry e where e.id = ?1")
		int drop(long id);

	}

	interface Owner {

		String getTenant();

	}

	@Table("entry")
	record Row(@org.springframework.data.annotation.Id Long id, String tenant,
			String way) implements Persistable<Long> {

		@Override
		public Long getId() {
			return this.id;
		}

		@Override
		@Transient
		public boolean isNew() {
			return true;
		}

	}

	@Entity(name = "entry")
	static class Entry {

		@Id
		private Long id;

		private String tenant;

		@SuppressWarnings("unused") // read by Hibernate
		private String way;

		Entry() {
		}

		Entry(Long id, String tenant, String way) {
			this.id = id;
			this.tenant = tenant;
			this.way = way;
		}

		String tenant() {
			return this.tenant;
		}

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = Entry.class)
	@EnableJpaRepositories(considerNestedRepositories = true, basePackageClasses = Entries.class)
	@EnableJdbcRepositories(considerNestedRepositories = true, basePackageClasses = Rows.class)
	@Import({ Doors.class, Journeys.class })
	static class Beans {

	}

}
