package io.multidb.jpa;

import java.io.Serial;

import io.multidb.MultiDbException;

/**
 * A source of one product was used through a session factory that speaks to another. No
 * statement ran.
 */
public final class WrongProductException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String source;

	WrongProductException(String source, String its, String spoken) {
		super("Source '" + source + "' is a " + its + " database, and the EntityManagerFactory in use was built for "
				+ spoken + ": its SQL would be wrong. Set 'app.tenancy.jpa.products' to all products in use.");
		this.source = source;
	}

	/**
	 * The source that was to be used.
	 * @return the source's name
	 */
	public String source() {
		return this.source;
	}

}
