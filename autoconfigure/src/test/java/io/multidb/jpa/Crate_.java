package io.multidb.jpa;

import java.time.Instant;
import java.util.UUID;

import jakarta.persistence.metamodel.SingularAttribute;
import jakarta.persistence.metamodel.StaticMetamodel;

/**
 * The static metamodel, filled by whichever session factory was built last.
 */
@StaticMetamodel(Crate.class)
final class Crate_ {

	static volatile SingularAttribute<Crate, String> code;

	static volatile SingularAttribute<Crate, Boolean> delivered;

	static volatile SingularAttribute<Crate, Crate.Status> status;

	static volatile SingularAttribute<Crate, Instant> sent;

	static volatile SingularAttribute<Crate, UUID> reference;

	private Crate_() {
	}

}
