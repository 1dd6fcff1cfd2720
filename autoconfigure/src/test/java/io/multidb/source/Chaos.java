package io.multidb.source;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

import org.awaitility.Awaitility;

import io.multidb.MultiDbException;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Uses, drains, replaces, removes and adds sources at random for a while, and then
 * counts: every row that was committed is where it belongs, no other is, and nothing is
 * left over. Each source has a table {@code chaos (id, source)}.
 */
final class Chaos {

	private static final int USERS = 8;

	private static final int MEDDLERS = 2;

	private final SourceRegistry registry;

	private final Map<String, SourceDefinition> definitions;

	private final List<String> names;

	private final Meddling more;

	private final long seed;

	private final AtomicInteger threads = new AtomicInteger();

	private final AtomicInteger ids = new AtomicInteger();

	/** By source; what was committed, and was not. Of all others nobody knows. */
	private final Map<String, Set<Integer>> committed = new ConcurrentHashMap<>();

	private final Map<String, Set<Integer>> rolledBack = new ConcurrentHashMap<>();

	/** What else is done to a source. */
	@FunctionalInterface
	interface Meddling {

		void meddle(String source, Random random) throws SQLException;

	}

	Chaos(SourceRegistry registry, List<SourceDefinition> definitions, Meddling more) {
		this.registry = registry;
		this.definitions = definitions.stream().collect(Collectors.toMap(SourceDefinition::name, (each) -> each));
		this.names = definitions.stream().map(SourceDefinition::name).toList();
		this.more = more;
		this.seed = Long.getLong("multidb.test.seed", System.nanoTime());
		for (String name : this.names) {
			this.committed.put(name, ConcurrentHashMap.newKeySet());
			this.rolledBack.put(name, ConcurrentHashMap.newKeySet());
		}
	}

	/**
	 * Does so, and counts.
	 * @return how often something was committed
	 */
	int run(Duration time) throws Exception {
		System.out.println("Chaos with -Dmultidb.test.seed=" + this.seed);
		long end = System.nanoTime() + time.toNanos();
		List<Object> outcomes = Race.run(USERS + MEDDLERS, () -> {
			int number = this.threads.getAndIncrement();
			Random random = new Random(this.seed + number);
			while (System.nanoTime() < end) {
				String name = this.names.get(random.nextInt(this.names.size()));
				try {
					if (number < USERS) {
						use(name, random);
					}
					else {
						meddle(name, random);
					}
				}
				catch (SQLException | MultiDbException ex) {
					// Removed, cut, full, or down; what counts is counted at the end.
				}
				finally {
					boolean unused = Thread.interrupted();
				}
			}
			return "fine";
		});
		assertThat(outcomes).as("seed %d", this.seed).containsOnly("fine");
		bringBack();
		checkRows();
		checkNothingIsLeft();
		return this.committed.values().stream().mapToInt(Set::size).sum();
	}

	private void use(String name, Random random) throws SQLException {
		Source source = this.registry.find(name);
		if (source == null) {
			return;
		}
		if (random.nextInt(20) == 0) {
			Thread.currentThread().interrupt();
		}
		try (Connection connection = source.getConnection()) {
			switch (random.nextInt(8)) {
				case 0 -> connection.abort(Runnable::run);
				case 1 -> {
					connection.setReadOnly(true);
					read(connection, name);
				}
				case 2 -> Sources.execute(connection, "/* left open */ begin");
				case 3 -> connection.close();
				case 4 -> {
					int id = insert(connection, name);
					this.committed.get(name).add(id);
				}
				default -> transaction(connection, name, random);
			}
		}
	}

	private void transaction(Connection connection, String name, Random random) throws SQLException {
		connection.setAutoCommit(false);
		read(connection, name);
		Set<Integer> mine = new HashSet<>();
		for (int i = random.nextInt(3); i >= 0; i--) {
			mine.add(insert(connection, name));
		}
		switch (random.nextInt(4)) {
			case 0 -> {
				connection.rollback();
				this.rolledBack.get(name).addAll(mine);
			}
			case 1 -> {
				connection.close();
				this.rolledBack.get(name).addAll(mine);
			}
			default -> {
				connection.commit();
				this.committed.get(name).addAll(mine);
			}
		}
	}

	private int insert(Connection connection, String name) throws SQLException {
		int id = this.ids.incrementAndGet();
		try (PreparedStatement insert = connection.prepareStatement("insert into chaos values (?, ?)")) {
			insert.setInt(1, id);
			insert.setString(2, name);
			insert.executeUpdate();
		}
		return id;
	}

	private static void read(Connection connection, String name) throws SQLException {
		try (Statement statement = connection.createStatement();
				ResultSet rows = statement.executeQuery("select source from chaos order by id desc limit 5")) {
			while (rows.next()) {
				assertThat(rows.getString(1)).isEqualTo(name);
			}
		}
	}

	private void meddle(String name, Random random) throws SQLException {
		SourceDefinition definition = this.definitions.get(name);
		switch (random.nextInt(5)) {
			case 0 -> this.registry.drain(name);
			case 1 -> this.registry.replace(definition);
			case 2 -> {
				if (this.registry.remove(name)) {
					this.registry.add(definition);
				}
			}
			case 3 -> this.registry.retry(name);
			default -> this.more.meddle(name, random);
		}
	}

	/** A removal may have been followed by an addition that failed. */
	private void bringBack() {
		for (SourceDefinition definition : this.definitions.values()) {
			Awaitility.await().ignoreExceptions().untilAsserted(() -> {
				if (this.registry.find(definition.name()) == null) {
					this.registry.add(definition);
				}
				this.registry.retry(definition.name());
				assertThat(this.registry.get(definition.name()).state()).isNotInstanceOf(SourceState.Unavailable.class);
			});
		}
	}

	private void checkRows() throws SQLException {
		for (String name : this.names) {
			Set<Integer> found = new HashSet<>();
			try (Connection connection = this.registry.get(name).getConnection();
					Statement statement = connection.createStatement();
					ResultSet rows = statement.executeQuery("select id, source from chaos")) {
				while (rows.next()) {
					assertThat(rows.getString(2)).as("seed %d", this.seed).isEqualTo(name);
					found.add(rows.getInt(1));
				}
			}
			assertThat(found).as("seed %d", this.seed)
				.containsAll(this.committed.get(name))
				.noneMatch(this.rolledBack.get(name)::contains);
		}
	}

	private void checkNothingIsLeft() {
		this.names.forEach(this.registry::drain);
		Awaitility.await().untilAsserted(() -> {
			assertThat(this.registry.openPools().size()).as("seed %d, pools", this.seed).isZero();
			assertThat(this.registry.attention().get()).as("seed %d, attention", this.seed).isZero();
			for (SourceDefinition definition : this.definitions.values()) {
				Sources.assertIdle(this.registry.get(definition.name()));
				ServerBudget budget = this.registry.budgets().find(definition);
				if (budget != null) {
					assertThat(budget.taken()).as("seed %d, permits", this.seed).isZero();
					assertThat(budget.waiting()).as("seed %d, waiting", this.seed).isZero();
				}
			}
		});
	}

}
