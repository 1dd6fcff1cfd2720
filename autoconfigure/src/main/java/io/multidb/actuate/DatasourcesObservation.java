package io.multidb.actuate;

import io.micrometer.common.docs.KeyName;
import io.micrometer.observation.docs.ObservationDocumentation;

import io.multidb.source.Watch;

/**
 * The observations of work that takes time. Where there is a meter registry, each is a
 * timer of its name, with the keys of low cardinality as its tags; where there is
 * tracing, a span with all of them.
 */
public enum DatasourcesObservation implements ObservationDocumentation {

	/** A source is opened. */
	OPEN("datasources.open", "open source", true,
			"A source is connected, brought up to date and its pool made: `opened` or `failed`"),

	/** A database of a template is made. */
	CREATE("datasources.create", "create database", true,
			"A template's database is made: `created`, `copied`, `existed` or `failed`"),

	/** A database is migrated. */
	MIGRATE("datasources.migrate", "migrate database", true,
			"A database with a change log is brought up to date: `untouched`, `checked`, `migrated` or `failed`"),

	/** Many sources are asked. */
	FAN_OUT("datasources.fanout", "ask sources", false,
			"Many sources are asked: `completed`, `partial` or, if that is not possible at all, `failed`"),

	/** One of many sources is asked. */
	FAN_OUT_SOURCE("datasources.fanout.source", "ask source", true,
			"A source is asked as part of a fan-out, once its turn has come: `completed`, `failed`, `timed-out`,"
					+ " `refused` or `unavailable`"),

	/** The catalog is read. */
	CATALOG_READ("datasources.catalog.read", "read catalog", true,
			"The catalog is read: `changed`, `unchanged` or `failed`");

	private final String observation;

	private final String contextualName;

	private final String description;

	/** Whether it is work on one source, whose product is a key. */
	private final boolean ofSource;

	DatasourcesObservation(String observation, String contextualName, boolean ofSource, String description) {
		this.observation = observation;
		this.contextualName = contextualName;
		this.description = description;
		this.ofSource = ofSource;
	}

	static DatasourcesObservation of(Watch.Activity activity) {
		return valueOf(activity.name());
	}

	@Override
	public String getName() {
		return this.observation;
	}

	@Override
	public String getContextualName() {
		return this.contextualName;
	}

	/**
	 * What is observed, and its outcomes.
	 * @return a few words
	 */
	public String description() {
		return this.description;
	}

	@Override
	public KeyName[] getLowCardinalityKeyNames() {
		return this.ofSource ? Key.values() : new KeyName[] { Key.OUTCOME };
	}

	@Override
	public KeyName[] getHighCardinalityKeyNames() {
		return HighKey.values();
	}

	/** The keys that become tags of meters. */
	public enum Key implements KeyName {

		/** The source's product in lower case, or {@code none}. */
		PRODUCT("product"),

		/** What became of it. */
		OUTCOME("outcome");

		private final String key;

		Key(String key) {
			this.key = key;
		}

		@Override
		public String asString() {
			return this.key;
		}

	}

	/** The keys that only spans have. */
	public enum HighKey implements KeyName {

		/** The source's name, where it is one. */
		SOURCE("source"),

		/** The tenant for which it is done, where there is one. */
		TENANT("tenant");

		private final String key;

		HighKey(String key) {
			this.key = key;
		}

		@Override
		public String asString() {
			return this.key;
		}

		@Override
		public boolean isRequired() {
			return false;
		}

	}

}
