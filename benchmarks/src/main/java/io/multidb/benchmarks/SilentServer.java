package io.multidb.benchmarks;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A port that accepts connections and never says a word, until it is told to whom it is
 * to hand on those that come from then on.
 */
final class SilentServer implements Closeable {

	private final ServerSocket listener;

	private final List<Socket> sockets = new CopyOnWriteArrayList<>();

	/** 0 for nowhere. */
	private volatile int target;

	SilentServer() throws IOException {
		this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
		start("accepting", this::accept);
	}

	int port() {
		return this.listener.getLocalPort();
	}

	/** Hands on to another port what comes from now on. */
	void speakAs(int port) {
		this.target = port;
	}

	private void accept() throws IOException {
		while (true) {
			Socket client = this.listener.accept();
			this.sockets.add(client);
			if (this.target != 0) {
				Socket server = new Socket(InetAddress.getLoopbackAddress(), this.target);
				this.sockets.add(server);
				start("to-server", () -> copy(client, server));
				start("to-client", () -> copy(server, client));
			}
		}
	}

	private void copy(Socket from, Socket to) throws IOException {
		try (from; to) {
			from.getInputStream().transferTo(to.getOutputStream());
		}
		finally {
			this.sockets.removeAll(List.of(from, to));
		}
	}

	private interface Work {

		void run() throws IOException;

	}

	private static void start(String name, Work work) {
		Thread thread = new Thread(() -> {
			try {
				work.run();
			}
			catch (IOException ex) {
				// It was closed.
			}
		}, name);
		thread.setDaemon(true);
		thread.start();
	}

	@Override
	public void close() throws IOException {
		this.listener.close();
		for (Socket socket : this.sockets) {
			socket.close();
		}
	}

}
