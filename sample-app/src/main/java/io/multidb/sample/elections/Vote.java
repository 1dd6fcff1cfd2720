package io.multidb.sample.elections;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import org.jspecify.annotations.Nullable;

/**
 * A vote. Which election it is of, its database says.
 */
@Entity
class Vote {

	@Id
	@GeneratedValue(strategy = GenerationType.IDENTITY)
	private @Nullable Long id;

	@Column(nullable = false, length = 100)
	private String candidate = "";

	/** For Hibernate. */
	protected Vote() {
	}

	/**
	 * Creates a vote.
	 * @param candidate whom it is for
	 */
	Vote(String candidate) {
		this.candidate = candidate;
	}

	@Nullable Long getId() {
		return this.id;
	}

	String getCandidate() {
		return this.candidate;
	}

}
