package io.multidb.jpa;

import java.time.Instant;
import java.util.UUID;

import jakarta.persistence.metamodel.SingularAttribute;
import jakarta.persistence.metamodel.StaticMetamodel;

/**
 * The static metamodel, filled by whichever session factory was built last.
 */
@StaticMetamodel(Parcel.class)
final class Parcel_ {

	static volatile SingularAttribute<Parcel, String> code;

	static volatile SingularAttribute<Parcel, Boolean> delivered;

	static volatile SingularAttribute<Parcel, Parcel.Status> status;

	static volatile SingularAttribute<Parcel, Instant> sent;

	static volatile SingularAttribute<Parcel, UUID> reference;

	private Parcel_() {
	}

}
