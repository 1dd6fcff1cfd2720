package io.multidb.source;

import java.io.Closeable;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;

/**
 * Stands before a PostgreSQL and lets through whom the test lets through, by their user:
 * to all others, the server is away. Its clients connect without encryption.
 */
final class TestProxy implements Closeable {

	private final ServerSocket entrance;

	private final String host;

	private final int port;

	private final Set<Socket> open = ConcurrentHashMap.newKeySet();

	/** By user. */
	private final Map<String, AtomicInteger> tries = new ConcurrentHashMap<>();

	private volatile Predicate<String> passing = (user) -> true;

	private TestProxy(String host, int port) throws IOException {
		this.host = host;
		this.port = port;
		this.entrance = new ServerSocket(0, 500, InetAddress.getLoopbackAddress());
	}

	/**
	 * Starts one.
	 * @param server the host and port of the server
	 */
	static TestProxy before(String server) {
		try {
			int colon = server.lastIndexOf(':');
			TestProxy proxy = new TestProxy(server.substring(0, colon), Integer.parseInt(server.substring(colon + 1)));
			start(proxy::accept);
			return proxy;
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	private static void start(Runnable task) {
		Thread thread = new Thread(task, "test-proxy");
		thread.setDaemon(true);
		thread.start();
	}

	/** The JDBC URL of a schema, which need not be there. */
	String url(String schema) {
		return "jdbc:postgresql://127.0.0.1:" + this.entrance.getLocalPort()
				+ "/postgres?sslmode=disable&gssEncMode=disable&currentSchema=" + schema;
	}

	/**
	 * Lets only some through from now on; asked for each connection, and may take its
	 * time. What is open stays so.
	 */
	void pass(Predicate<String> users) {
		this.passing = users;
	}

	/** Lets nobody through, and cuts what is open. */
	void lose() {
		this.passing = (user) -> false;
		this.open.forEach(TestProxy::close);
	}

	/** How often a user has asked for a connection. */
	int tries(String user) {
		return counter(user).get();
	}

	/** How often anybody has. */
	int tries() {
		return this.tries.values().stream().mapToInt(AtomicInteger::get).sum();
	}

	private AtomicInteger counter(String user) {
		return this.tries.computeIfAbsent(user, (name) -> new AtomicInteger());
	}

	private void accept() {
		while (!this.entrance.isClosed()) {
			try {
				Socket client = this.entrance.accept();
				this.open.add(client);
				start(() -> serve(client));
			}
			catch (IOException ex) {
				// It ends.
			}
		}
	}

	private void serve(Socket client) {
		try (client) {
			DataInputStream in = new DataInputStream(client.getInputStream());
			byte[] packet = new byte[in.readInt() - 4];
			in.readFully(packet);
			String user = user(packet);
			counter(user).incrementAndGet();
			if (this.passing.test(user)) {
				relay(client, packet);
			}
		}
		catch (IOException ex) {
			// One of both has gone.
		}
		finally {
			this.open.remove(client);
		}
	}

	/** Of a startup message: its version, and then names and values. */
	private static String user(byte[] packet) {
		List<String> words = List.of(new String(packet, 4, packet.length - 4, StandardCharsets.UTF_8).split("\0"));
		return (words.indexOf("user") >= 0) ? words.get(words.indexOf("user") + 1) : "";
	}

	private void relay(Socket client, byte[] packet) throws IOException {
		try (Socket server = new Socket(this.host, this.port)) {
			server.setTcpNoDelay(true);
			client.setTcpNoDelay(true);
			OutputStream out = server.getOutputStream();
			int length = packet.length + 4;
			out.write(new byte[] { (byte) (length >> 24), (byte) (length >> 16), (byte) (length >> 8), (byte) length });
			out.write(packet);
			out.flush();
			start(() -> copy(server, client));
			copy(client, server);
		}
	}

	private static void copy(Socket from, Socket to) {
		try (from; to) {
			InputStream in = from.getInputStream();
			in.transferTo(to.getOutputStream());
		}
		catch (IOException ex) {
			// One of both has gone.
		}
	}

	private static void close(Socket socket) {
		try {
			socket.close();
		}
		catch (IOException ex) {
			// It has gone.
		}
	}

	@Override
	public void close() throws IOException {
		this.entrance.close();
		this.open.forEach(TestProxy::close);
	}

}
