package io.multidb.source;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;

import javax.net.SocketFactory;

/**
 * Sockets for PostgreSQL's driver, which makes this factory by its name. When a
 * connection is closed, its backend goes on for a moment and still counts; it ends its
 * side of the socket last of all, so that a client may wait for that. pgjdbc does not.
 */
public final class AwaitedCloseSocketFactory extends SocketFactory {

	/** A backend is gone in a millisecond or two, unless its server is dead. */
	private static final int PATIENCE_MILLIS = 500;

	private static final ThreadLocal<Boolean> AWAITED = new ThreadLocal<>();

	/** For the driver. */
	public AwaitedCloseSocketFactory() {
	}

	/** What closes a connection. */
	@FunctionalInterface
	interface Closing<E extends Exception> {

		void run() throws E;

	}

	/**
	 * Closes a connection and waits until its server has done so, too, if its sockets are
	 * made here. Not for one that another thread reads from.
	 */
	static <E extends Exception> void closeAndAwait(Closing<E> closing) throws E {
		AWAITED.set(true);
		try {
			closing.run();
		}
		finally {
			AWAITED.remove();
		}
	}

	private static final class AwaitedCloseSocket extends Socket {

		/** An abort must not wait for a close. */
		@Override
		@SuppressWarnings("UnsynchronizedOverridesSynchronized")
		public void close() throws IOException {
			if (AWAITED.get() != null && isConnected() && !isClosed()) {
				awaitEnd();
			}
			super.close();
		}

		private void awaitEnd() {
			try {
				setSoTimeout(PATIENCE_MILLIS);
				InputStream in = getInputStream();
				byte[] rest = new byte[512];
				for (int reads = 0; reads < 100 && in.read(rest) >= 0; reads++) {
					// A notice, or the end of an encrypted stream
				}
			}
			catch (IOException ex) {
				// It is gone, or takes too long: closed in any case.
			}
		}

	}

	@Override
	public Socket createSocket() {
		return new AwaitedCloseSocket();
	}

	@Override
	public Socket createSocket(String host, int port) {
		throw new UnsupportedOperationException("PostgreSQL's driver connects by itself");
	}

	@Override
	public Socket createSocket(String host, int port, InetAddress localHost, int localPort) {
		return createSocket(host, port);
	}

	@Override
	public Socket createSocket(InetAddress host, int port) {
		return createSocket(host.getHostName(), port);
	}

	@Override
	public Socket createSocket(InetAddress address, int port, InetAddress localAddress, int localPort) {
		return createSocket(address, port);
	}

}
