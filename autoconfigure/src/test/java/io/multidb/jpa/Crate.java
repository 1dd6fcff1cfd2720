package io.multidb.jpa;

import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

import jakarta.persistence.Cacheable;
import jakarta.persistence.CascadeType;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.EnumType;
import jakarta.persistence.Enumerated;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.JoinColumn;
import jakarta.persistence.Lob;
import jakarta.persistence.NamedQuery;
import jakarta.persistence.OneToMany;
import jakarta.persistence.SequenceGenerator;
import jakarta.persistence.Version;
import org.hibernate.annotations.Cache;
import org.hibernate.annotations.CacheConcurrencyStrategy;

/**
 * An entity with a field of every kind that products keep in their own ways.
 */
@Entity(name = "Crate")
@NamedQuery(name = "Crate.heaviest", query = "select max(p.weight) from Crate p")
class Crate {

	/** Of all numbers, SQLite's threads can take only these at the same time. */
	@Id
	@GeneratedValue(strategy = GenerationType.IDENTITY)
	Long id;

	@Version
	int version;

	@Column(nullable = false, unique = true)
	String code;

	String text;

	int weight;

	boolean delivered;

	@Enumerated(EnumType.STRING)
	Status status = Status.NEW;

	@Enumerated
	Status former = Status.NEW;

	Instant sent;

	LocalDate due;

	LocalDateTime local;

	UUID reference;

	@Column(precision = 12, scale = 2)
	BigDecimal price;

	byte[] seal;

	@Lob
	String note;

	@OneToMany(cascade = CascadeType.ALL, orphanRemoval = true)
	@JoinColumn(name = "crate_id")
	List<Item> items = new ArrayList<>();

	Crate() {
	}

	Crate(String code) {
		this.code = code;
	}

	Crate text(String text) {
		this.text = text;
		return this;
	}

	Crate weight(int weight) {
		this.weight = weight;
		return this;
	}

	Long getId() {
		return this.id;
	}

	enum Status {

		NEW, SENT, LOST

	}

	@Entity(name = "Item")
	static class Item {

		@Id
		@GeneratedValue(strategy = GenerationType.IDENTITY)
		Long id;

		String name;

		Item() {
		}

		Item(String name) {
			this.name = name;
		}

	}

	@Entity(name = "OfAuto")
	static class OfAuto {

		@Id
		@GeneratedValue
		Long id;

	}

	@Entity(name = "OfSequence")
	static class OfSequence {

		@Id
		@GeneratedValue(strategy = GenerationType.SEQUENCE, generator = "own")
		@SequenceGenerator(name = "own", sequenceName = "own_numbers", allocationSize = 10)
		Long id;

	}

	@Entity(name = "OfTable")
	static class OfTable {

		@Id
		@GeneratedValue(strategy = GenerationType.TABLE)
		Long id;

	}

	@Entity(name = "OfUuid")
	static class OfUuid {

		@Id
		@GeneratedValue(strategy = GenerationType.UUID)
		UUID id;

	}

	/** Kept in the second-level cache. */
	@Entity(name = "Shelf")
	@Cacheable
	@Cache(usage = CacheConcurrencyStrategy.READ_WRITE)
	static class Shelf {

		@Id
		Long id;

		String name;

	}

}
