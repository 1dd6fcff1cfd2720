package io.multidb.actuate;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.annotation.DeleteOperation;
import org.springframework.boot.actuate.endpoint.annotation.ReadOperation;
import org.springframework.boot.actuate.endpoint.annotation.WriteOperation;
import org.springframework.boot.actuate.endpoint.jmx.annotation.EndpointJmxExtension;

/**
 * The endpoint {@code datasources} by JMX, where each operation has a name of its own.
 * Thread-safe.
 */
@EndpointJmxExtension(endpoint = DatasourcesEndpoint.class)
public final class DatasourcesEndpointJmxExtension {

	/** JMX knows of no user. */
	private static final Operator OPERATOR = new Operator(null, "jmx");

	private final SourcesView view;

	private final SourceOperations operations;

	/**
	 * Creates the extension.
	 * @param view the sources
	 * @param operations what may be done to them
	 */
	public DatasourcesEndpointJmxExtension(SourcesView view, SourceOperations operations) {
		this.view = view;
		this.operations = operations;
	}

	/**
	 * Where a tenant goes.
	 * @param tenant its id
	 * @return what is decided
	 */
	@ReadOperation
	public TenantDescriptor tenant(String tenant) {
		return this.view.tenant(tenant);
	}

	/**
	 * Adds a source.
	 * @param name its name
	 * @param url its URL
	 * @param username the user
	 * @param password the password
	 * @param displayName its name for people
	 * @param readOnly whether it refuses writes; it does not by default
	 * @param migrated whether it is migrated; it is not by default
	 * @return what was done
	 */
	@WriteOperation
	public OperationDescriptor add(String name, String url, @Nullable String username, @Nullable String password,
			@Nullable String displayName, @Nullable Boolean readOnly, @Nullable Boolean migrated) {
		return this.operations.add(OPERATOR, new SourceOperations.Addition(name, url, username, password, displayName,
				Boolean.TRUE.equals(readOnly), Boolean.TRUE.equals(migrated)));
	}

	/**
	 * Gives a source another address or other credentials.
	 * @param source its name
	 * @param url its new URL
	 * @param username the user
	 * @param password the password
	 * @return what was done
	 */
	@WriteOperation
	public OperationDescriptor replace(String source, @Nullable String url, @Nullable String username,
			@Nullable String password) {
		return this.operations.replace(OPERATOR, source, url, username, password);
	}

	/**
	 * Removes a source.
	 * @param source its name
	 * @return what was done
	 */
	@DeleteOperation
	public OperationDescriptor remove(String source) {
		return this.operations.remove(OPERATOR, source);
	}

	/**
	 * Closes what is open of a source.
	 * @param source its name
	 * @return what was done
	 */
	@WriteOperation
	public OperationDescriptor drain(String source) {
		return this.operations.drain(OPERATOR, source);
	}

	/**
	 * Tries a source again that is unavailable.
	 * @param source its name
	 * @return what was done
	 */
	@WriteOperation
	public OperationDescriptor retry(String source) {
		return this.operations.retry(OPERATOR, source);
	}

	/**
	 * Migrates a source.
	 * @param source its name
	 * @return what was done
	 */
	@WriteOperation
	public OperationDescriptor migrate(String source) {
		return this.operations.migrate(OPERATOR, source);
	}

	/**
	 * Maps a tenant.
	 * @param tenant its id
	 * @param source where it is to go
	 * @return what was done
	 */
	@WriteOperation
	public OperationDescriptor map(String tenant, String source) {
		return this.operations.map(OPERATOR, tenant, source);
	}

	/**
	 * Lets a tenant go where the routes lead.
	 * @param tenant its id
	 * @return what was done
	 */
	@DeleteOperation
	public OperationDescriptor unmap(String tenant) {
		return this.operations.unmap(OPERATOR, tenant);
	}

}
