package io.multidb.source;

import java.sql.Driver;
import java.sql.DriverPropertyInfo;
import java.util.Properties;
import java.util.logging.Logger;

/**
 * A driver of a test's own, for URLs that begin as it says: all of it but connecting.
 */
public abstract class TestDriver implements Driver {

	private final String prefix;

	protected TestDriver(String prefix) {
		this.prefix = prefix;
	}

	@Override
	public final boolean acceptsURL(String url) {
		return url.startsWith(this.prefix);
	}

	@Override
	public final DriverPropertyInfo[] getPropertyInfo(String url, Properties info) {
		return new DriverPropertyInfo[0];
	}

	@Override
	public final int getMajorVersion() {
		return 1;
	}

	@Override
	public final int getMinorVersion() {
		return 0;
	}

	@Override
	public final boolean jdbcCompliant() {
		return false;
	}

	@Override
	public final Logger getParentLogger() {
		return Logger.getGlobal();
	}

}
