package io.multidb.source;

import java.lang.reflect.InvocationTargetException;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.AbstractDataSource;

/**
 * Makes physical connections of one source with the driver; a pool stands on top of it.
 * Thread-safe.
 */
final class PhysicalDataSource extends AbstractDataSource implements ServerBudget.Holder {

	/**
	 * How long a server may be silent while a connection is made. pgjdbc's own
	 * connectTimeout covers the TCP handshake only, and its loginTimeout abandons a
	 * thread; a socket timeout that is lifted once connected covers the whole dialogue.
	 */
	static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);

	private static final int SQLITE_BUSY = 5;

	/**
	 * How long one of SQLite's waits for another that locks the file, in milliseconds.
	 */
	private static final String BUSY_TIMEOUT = "busy_timeout";

	private static final String DEFAULT_BUSY_TIMEOUT = "5000";

	private static final String JOURNAL_MODE = "journal_mode";

	private static final String OPEN_MODE = "open_mode";

	private static final String SOCKET_TIMEOUT = "socketTimeout";

	private static final String SOCKET_FACTORY = "socketFactory";

	private static final String READ_ONLY_MODE = "readOnlyMode";

	private final String source;

	private volatile JdbcUrl url;

	private final Properties properties;

	private final Driver driver;

	private volatile boolean liftSocketTimeout;

	/** {@code null} for other products than PostgreSQL. */
	private final @Nullable PostgresSessions sessions;

	/** Whether a session of PostgreSQL's is to refuse writes. */
	private boolean readOnlySession;

	/** See {@link #onlyLook}. */
	private boolean looking;

	/** Run on every connection, that of a migration included; {@code null} for none. */
	private final @Nullable String initSql;

	/** Of the server; {@code null} for none. */
	private final @Nullable ServerBudget budget;

	/** How long to wait for a permit, where nobody waits in a pool. */
	private volatile Duration timeout;

	/** The pool on top, once there is one. */
	private volatile @Nullable Pool pool;

	private volatile boolean closed;

	/** A connection made while the source was opened, for the pool's first request. */
	private final AtomicReference<@Nullable Connection> first = new AtomicReference<>();

	PhysicalDataSource(SourceDefinition definition, Properties dataSourceProperties, @Nullable String initSql,
			boolean mayCreateFile, @Nullable ServerBudget budget, Duration timeout) throws SQLException {
		this.budget = budget;
		this.timeout = timeout;
		this.source = definition.name();
		this.url = definition.url();
		this.initSql = initSql;
		this.properties = new Properties();
		if (definition.username() != null) {
			this.properties.setProperty("user", definition.username());
		}
		if (definition.password() != null) {
			this.properties.setProperty("password", definition.password());
		}
		boolean ownSocketTimeout = dataSourceProperties.containsKey(SOCKET_TIMEOUT)
				|| this.url.parameter(SOCKET_TIMEOUT) != null;
		switch (definition.product()) {
			case SQLITE -> {
				// One writer beside readers, and no error at the first collision.
				if (!definition.readOnly()) {
					// A mode that stays in the file, so it cannot be set on a read-only
					// one.
					setUnlessInUrl(JOURNAL_MODE, "WAL");
				}
				setUnlessInUrl(BUSY_TIMEOUT, DEFAULT_BUSY_TIMEOUT);
				setUnlessInUrl("foreign_keys", "true");
				if (!mayCreateFile) {
					makeNoFile();
				}
			}
			case POSTGRESQL -> {
				this.properties.setProperty("connectTimeout", Long.toString(CONNECT_TIMEOUT.toSeconds()));
				// It works with no older ones; knowing that saves it two questions.
				this.properties.setProperty("assumeMinServerVersion", "9.1");
				// A server that vanishes while a statement runs is noticed in the end.
				this.properties.setProperty("tcpKeepAlive", "true");
				// In milliseconds; without an answer pgjdbc connects again, without
				// encryption.
				this.properties.setProperty("sslResponseTimeout", Long.toString(CONNECT_TIMEOUT.toMillis() / 2));
				if ("always"
					.equalsIgnoreCase(PostgresSessions.parameter(definition, dataSourceProperties, READ_ONLY_MODE))) {
					// It would be set for the session before it is known whose that is.
					// HikariCP sets on each connection whether it is read-only.
					this.url = this.url.withParameter("readOnly", "false");
				}
				if (!ownSocketTimeout) {
					this.properties.setProperty(SOCKET_TIMEOUT, Long.toString(CONNECT_TIMEOUT.toSeconds()));
				}
			}
			case OTHER -> {
				// Its own defaults.
			}
		}
		this.liftSocketTimeout = definition.product() == DatabaseProduct.POSTGRESQL && !ownSocketTimeout;
		dataSourceProperties.forEach((key, value) -> this.properties.setProperty((String) key, String.valueOf(value)));
		if (definition.readOnly()) {
			refuseWrites(definition.product());
		}
		this.sessions = (definition.product() == DatabaseProduct.POSTGRESQL)
				? new PostgresSessions(definition, this.properties, budget != null && budget.isSessionPooling()) : null;
		this.driver = driver(definition);
		if (budget != null && definition.product() == DatabaseProduct.POSTGRESQL) {
			awaitClose();
		}
	}

	/** SQLite's driver lets a property go before a parameter of the URL. */
	private void setUnlessInUrl(String name, String value) {
		this.properties.setProperty(name, Objects.requireNonNullElse(this.url.parameter(name), value));
	}

	/** Unless the user has sockets of another make, or the driver cannot see ours. */
	private void awaitClose() {
		if (this.properties.containsKey(SOCKET_FACTORY) || this.url.parameter(SOCKET_FACTORY) != null) {
			return;
		}
		String name = AwaitedCloseSocketFactory.class.getName();
		try {
			if (Class.forName(name, false,
					this.driver.getClass().getClassLoader()) == AwaitedCloseSocketFactory.class) {
				this.properties.setProperty(SOCKET_FACTORY, name);
			}
		}
		catch (ClassNotFoundException ex) {
			// A driver of the server's, not of the application's: it goes without.
		}
	}

	/** Waits so long for a permit, until there is a pool. */
	void waitAtMost(Duration patience) {
		this.timeout = patience;
	}

	/** The file of a SQLite source is there, or else it is not to be made. */
	void makeNoFile() {
		// SQLITE_OPEN_READWRITE without SQLITE_OPEN_CREATE
		this.properties.putIfAbsent(OPEN_MODE, "2");
	}

	/**
	 * Connections change nothing, not even a mode that stays in a SQLite file, and wait
	 * for no answer for longer than for a connection. Who gets them sees to the rest: a
	 * file that is opened read-only leaves others beside it. To be called before any is
	 * made.
	 */
	void onlyLook(SourceDefinition definition) {
		this.looking = true;
		this.liftSocketTimeout = false;
		switch (definition.product()) {
			case SQLITE -> {
				this.properties.remove(JOURNAL_MODE);
				this.url = this.url.withoutParameter(JOURNAL_MODE);
			}
			case POSTGRESQL -> refuseWrites(definition.product());
			case OTHER -> {
				// See SourceOpener.look
			}
		}
	}

	/** After everything else, as no other setting may lift it. */
	private void refuseWrites(DatabaseProduct product) {
		switch (product) {
			// SQLITE_OPEN_READONLY, which makes no file either
			case SQLITE -> this.properties.setProperty(OPEN_MODE, "1");
			case POSTGRESQL -> {
				// Also outside of transactions: by a setting of the session, as soon as
				// it is known whose that is. Its driver lets the URL go before a
				// property, and the last of its parameters before others.
				this.url = this.url.withParameter("readOnly", "false").withParameter(READ_ONLY_MODE, "always");
				this.readOnlySession = true;
			}
			case OTHER -> {
				// HikariCP calls setReadOnly(true).
			}
		}
	}

	private static Driver driver(SourceDefinition definition) throws SQLException {
		String driverClassName = definition.driverClassName();
		if (driverClassName == null) {
			return DriverManager.getDriver(definition.url().text());
		}
		try {
			return Class.forName(driverClassName, true, Thread.currentThread().getContextClassLoader())
				.asSubclass(Driver.class)
				.getDeclaredConstructor()
				.newInstance();
		}
		catch (ReflectiveOperationException | ClassCastException ex) {
			Throwable cause = (ex instanceof InvocationTargetException && ex.getCause() != null) ? ex.getCause() : ex;
			throw new SQLException("Driver class '" + driverClassName + "' cannot be used: " + cause, "08001", cause);
		}
	}

	/**
	 * Keeps a connection for the next caller.
	 */
	void offer(Connection connection) {
		this.first.set(connection);
	}

	/**
	 * Makes no more connections: one that is being made now is closed as soon as it is
	 * there. Closes the kept connection, if nobody took it.
	 */
	void close() throws SQLException {
		this.closed = true;
		withdraw();
		Connection offered = this.first.getAndSet(null);
		if (offered != null) {
			offered.close();
		}
	}

	@Override
	public Connection getConnection() throws SQLException {
		if (this.first.get() != null) {
			Connection offered = this.first.getAndSet(null);
			if (offered != null) {
				return offered;
			}
		}
		return connect();
	}

	Connection connect() throws SQLException {
		ServerBudget ofServer = this.budget;
		if (ofServer == null) {
			return driversConnection();
		}
		Pool above = this.pool;
		try {
			return ofServer.connect(this, (above != null) ? null : this.timeout, this::driversConnection);
		}
		catch (NoPermitException ex) {
			if (above != null && above.waiting() == 0) {
				above.keepNoneIdle();
			}
			throw ex;
		}
	}

	/**
	 * Where several connect to a new file at once, and all make it a WAL database, SQLite
	 * turns one away without having waited, as a wait of each for the other would never
	 * end.
	 */
	private @Nullable Connection connectWhenNotBusy() throws SQLException {
		Deadline deadline = Deadline.current();
		if (deadline != null && busyTimeout() > deadline.left()) {
			return connectWithin(deadline);
		}
		long start = System.nanoTime();
		while (true) {
			try {
				return this.driver.connect(this.url.text(), this.properties);
			}
			catch (SQLException ex) {
				if (!isBusy(ex) || System.nanoTime() - start > busyTimeout()
						|| Thread.currentThread().isInterrupted()) {
					throw ex;
				}
			}
			LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(TimeUnit.MILLISECONDS.toNanos(10)));
		}
	}

	/** A lock that is not given up in time says nothing of the source. */
	private @Nullable Connection connectWithin(Deadline deadline) throws SQLException {
		Properties shorter = new Properties();
		shorter.putAll(this.properties);
		shorter.setProperty(BUSY_TIMEOUT,
				String.valueOf(1 + TimeUnit.NANOSECONDS.toMillis(Math.max(0, deadline.left()))));
		try {
			Connection connection = this.driver.connect(this.url.text(), shorter);
			if (connection != null) {
				SqliteBusyTimeout.set(connection, (int) TimeUnit.NANOSECONDS.toMillis(busyTimeout()));
			}
			return connection;
		}
		catch (SQLException ex) {
			if (!isBusy(ex)) {
				throw ex;
			}
			InterruptedException over = new InterruptedException("The time for this work is over");
			over.initCause(ex);
			throw new SQLException(over.getMessage(), ex.getSQLState(), over);
		}
	}

	private boolean isBusy(SQLException failure) {
		return this.properties.containsKey(BUSY_TIMEOUT) && (failure.getErrorCode() & 0xff) == SQLITE_BUSY;
	}

	/** In nanoseconds. */
	private long busyTimeout() {
		try {
			return TimeUnit.MILLISECONDS.toNanos(Long.parseLong(this.properties.getProperty(BUSY_TIMEOUT, "0")));
		}
		catch (NumberFormatException ex) {
			return 0;
		}
	}

	private Connection driversConnection() throws SQLException {
		Connection physical = connectWhenNotBusy();
		if (physical == null) {
			throw new SQLException("The driver " + this.driver.getClass().getName() + " does not accept the URL",
					"08001");
		}
		boolean ready = false;
		try {
			Connection connection = (this.sessions != null) ? this.sessions.settle(physical) : physical;
			if (this.readOnlySession) {
				if (this.looking && connection instanceof SharedSessionConnection) {
					// Which refuses nothing but in transactions.
					connection.setAutoCommit(false);
				}
				connection.setReadOnly(true);
			}
			if (this.budget != null) {
				this.budget.ask(connection);
			}
			if (this.liftSocketTimeout) {
				connection.setNetworkTimeout(Runnable::run, 0);
			}
			if (this.initSql != null) {
				try (Statement statement = connection.createStatement()) {
					statement.execute(this.initSql);
				}
			}
			if (this.closed) {
				throw new SQLException("The source was closed while a connection was being made", "08003");
			}
			ready = true;
			return connection;
		}
		finally {
			if (!ready) {
				// Its permit is given back next.
				AwaitedCloseSocketFactory.closeAndAwait(physical::close);
			}
		}
	}

	/** Tells it who asks for connections from now on. */
	void attach(Pool pool) {
		this.pool = pool;
	}

	/** Lets nothing wait for a permit any more. */
	void withdraw() {
		if (this.budget != null) {
			this.budget.withdraw(this);
		}
	}

	/** Whether what is given back had better be closed, see {@link ServerBudget}. */
	boolean isNeededElsewhere() {
		return this.budget != null && this.budget.needsFrom(this);
	}

	/** Those who waited in the pool may have gone. */
	void forsake() {
		if (this.budget != null) {
			this.budget.prune();
		}
	}

	@Override
	public String source() {
		return this.source;
	}

	@Override
	public boolean isWanted() {
		Pool above = this.pool;
		return !this.closed && (above == null || above.isWanted());
	}

	@Override
	public int waiting() {
		Pool above = this.pool;
		return (above != null) ? above.waiting() : 0;
	}

	@Override
	public int idle() {
		Pool above = this.pool;
		return (above != null) ? above.idle() : 0;
	}

	@Override
	public boolean giveUpIdle() {
		Pool above = this.pool;
		return above != null && above.giveUpIdle();
	}

	@Override
	public void closing() {
		Pool above = this.pool;
		if (above != null) {
			above.closing();
		}
	}

	@Override
	public Connection getConnection(String username, String password) throws SQLException {
		throw new SQLException("A source connects with its own credentials only");
	}

	@Override
	public void setLoginTimeout(int seconds) {
		// HikariCP sets it on every DataSource; the driver's properties are used instead.
	}

	/** So long HikariCP waits, when it is closed, for a connection that is being made. */
	@Override
	public int getLoginTimeout() {
		return 2 * (int) CONNECT_TIMEOUT.toSeconds();
	}

}
