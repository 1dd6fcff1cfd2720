package io.multidb.jpa;

import java.io.Serial;
import java.util.Collection;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;

/**
 * A source of one product was used through an EntityManagerFactory that was built for
 * others. No statement ran.
 */
public final class WrongProductException extends MultiDbException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String source;

	WrongProductException(String source, @Nullable HibernateProduct its, Collection<HibernateProduct> spoken) {
		super("Source '" + source + "' is "
				+ ((its != null) ? "a " + its + " database" : "of a product that is not known here")
				+ ", and the EntityManagerFactory was built for "
				+ spoken.stream().map(Object::toString).collect(Collectors.joining(" and "))
				+ ": its SQL would be wrong. "
				+ ((its != null) ? "Set 'app.tenancy.jpa.products' to all products that come into use."
						: "Use JDBC for it, or an EntityManagerFactory of your own."));
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
