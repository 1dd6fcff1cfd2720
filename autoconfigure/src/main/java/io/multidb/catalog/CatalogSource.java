package io.multidb.catalog;

import java.util.Map;
import java.util.Objects;

import org.jspecify.annotations.Nullable;

/**
 * One row of the catalog: a source that may be added, changed and taken away while the
 * application runs. Immutable; never prints its password. <pre>
 * CatalogSource.named("ny_appeals").url("jdbc:postgresql://db7/ny").username("ny").build()
 * </pre>
 *
 * @param name the source's name
 * @param displayName its name for people, or {@code null} for none
 * @param url its JDBC URL, or one as platforms give them, without user and password
 * @param username the user, or {@code null} for none
 * @param password the text of the column, as the catalog has it: a reference such as
 * <code>${COURTS_NY_PASSWORD}</code>, a cipher text or, if that is allowed, the password
 * itself; {@code null} for none. A password that is to be saved may be given as it is.
 * @param type what kind of source it is, in the application's own words, or {@code null}
 * @param jurisdiction what it is responsible for, or {@code null}
 * @param attributes free data of the application's own
 * @param active whether there is such a source; if not, its row is kept for later
 * @param searchable whether questions to all sources go to it
 * @param readOnly whether it refuses writes
 */
public record CatalogSource(String name, @Nullable String displayName, String url, @Nullable String username,
		@Nullable String password, @Nullable String type, @Nullable String jurisdiction, Map<String, String> attributes,
		boolean active, boolean searchable, boolean readOnly) {

	public CatalogSource {
		Objects.requireNonNull(name, "name");
		Objects.requireNonNull(url, "url");
		attributes = Map.copyOf(attributes);
	}

	/**
	 * Starts a row: active, searchable, not read-only.
	 * @param name the source's name
	 * @return a builder
	 */
	public static Builder named(String name) {
		return new Builder(name);
	}

	/**
	 * Starts another row from this one.
	 * @return a builder
	 */
	public Builder change() {
		return new Builder(this.name).displayName(this.displayName)
			.url(this.url)
			.username(this.username)
			.password(this.password)
			.type(this.type)
			.jurisdiction(this.jurisdiction)
			.attributes(this.attributes)
			.active(this.active)
			.searchable(this.searchable)
			.readOnly(this.readOnly);
	}

	/** Without the password; the URL may have one in it that is refused later. */
	@Override
	public String toString() {
		return "CatalogSource[name=" + this.name + ", url=" + Rows.masked(this.url) + ", username=" + this.username
				+ ", password=" + ((this.password != null) ? "***" : "none") + ", active=" + this.active + "]";
	}

	/**
	 * Builds a {@link CatalogSource}. Not thread-safe.
	 */
	public static final class Builder {

		private final String name;

		private @Nullable String displayName;

		private String url = "";

		private @Nullable String username;

		private @Nullable String password;

		private @Nullable String type;

		private @Nullable String jurisdiction;

		private Map<String, String> attributes = Map.of();

		private boolean active = true;

		private boolean searchable = true;

		private boolean readOnly;

		private Builder(String name) {
			this.name = name;
		}

		/**
		 * Sets its name for people; none by default.
		 * @param displayName the name, or {@code null}
		 * @return this builder
		 */
		public Builder displayName(@Nullable String displayName) {
			this.displayName = displayName;
			return this;
		}

		/**
		 * Sets its URL, which every row needs.
		 * @param url the URL, without user and password
		 * @return this builder
		 */
		public Builder url(String url) {
			this.url = url;
			return this;
		}

		/**
		 * Sets the user; none by default.
		 * @param username the user, or {@code null}
		 * @return this builder
		 */
		public Builder username(@Nullable String username) {
			this.username = username;
			return this;
		}

		/**
		 * Sets the password, or a reference to it; none by default.
		 * @param password the password, which is encrypted when it is saved, or a
		 * reference; {@code null} for none
		 * @return this builder
		 */
		public Builder password(@Nullable String password) {
			this.password = password;
			return this;
		}

		/**
		 * Sets what kind of source it is; none by default.
		 * @param type the kind, or {@code null}
		 * @return this builder
		 */
		public Builder type(@Nullable String type) {
			this.type = type;
			return this;
		}

		/**
		 * Sets what it is responsible for; none by default.
		 * @param jurisdiction the jurisdiction, or {@code null}
		 * @return this builder
		 */
		public Builder jurisdiction(@Nullable String jurisdiction) {
			this.jurisdiction = jurisdiction;
			return this;
		}

		/**
		 * Sets the application's own data; none by default.
		 * @param attributes the data
		 * @return this builder
		 */
		public Builder attributes(Map<String, String> attributes) {
			this.attributes = attributes;
			return this;
		}

		/**
		 * Sets whether there is such a source; {@code true} by default.
		 * @param active whether there is
		 * @return this builder
		 */
		public Builder active(boolean active) {
			this.active = active;
			return this;
		}

		/**
		 * Sets whether questions to all sources go to it; {@code true} by default.
		 * @param searchable whether they do
		 * @return this builder
		 */
		public Builder searchable(boolean searchable) {
			this.searchable = searchable;
			return this;
		}

		/**
		 * Sets whether it refuses writes; {@code false} by default.
		 * @param readOnly whether it does
		 * @return this builder
		 */
		public Builder readOnly(boolean readOnly) {
			this.readOnly = readOnly;
			return this;
		}

		/**
		 * Builds the row.
		 * @return the row
		 */
		public CatalogSource build() {
			return new CatalogSource(this.name, this.displayName, this.url, this.username, this.password, this.type,
					this.jurisdiction, this.attributes, this.active, this.searchable, this.readOnly);
		}

	}

}
