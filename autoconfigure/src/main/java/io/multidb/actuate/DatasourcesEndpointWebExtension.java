package io.multidb.actuate;

import java.security.Principal;
import java.util.Set;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.actuate.endpoint.SecurityContext;
import org.springframework.boot.actuate.endpoint.Show;
import org.springframework.boot.actuate.endpoint.annotation.DeleteOperation;
import org.springframework.boot.actuate.endpoint.annotation.ReadOperation;
import org.springframework.boot.actuate.endpoint.annotation.Selector;
import org.springframework.boot.actuate.endpoint.annotation.WriteOperation;
import org.springframework.boot.actuate.endpoint.web.WebEndpointResponse;
import org.springframework.boot.actuate.endpoint.web.annotation.EndpointWebExtension;
import org.springframework.util.MimeType;

/**
 * The endpoint {@code datasources} by HTTP. Of a path with two parts, the first is
 * {@value #TENANTS}, or else a source's name; that leaves one operation for each verb and
 * number of parts, as Spring Boot wants it. Failures are
 * {@code application/problem+json}. Thread-safe.
 */
@EndpointWebExtension(endpoint = DatasourcesEndpoint.class)
public final class DatasourcesEndpointWebExtension {

	private static final String TENANTS = "tenants";

	private static final int STATUS_ACCEPTED = 202;

	private static final MimeType PROBLEM = MimeType.valueOf(Problem.MEDIA_TYPE);

	private final SourcesView view;

	private final SourceOperations operations;

	private final Show showValues;

	private final Set<String> roles;

	/**
	 * Creates the extension.
	 * @param view the sources
	 * @param operations what may be done to them
	 * @param showValues when values may be shown that could be a secret
	 * @param roles who is authorized to see them; empty for every authenticated user
	 */
	public DatasourcesEndpointWebExtension(SourcesView view, SourceOperations operations, Show showValues,
			Set<String> roles) {
		this.view = view;
		this.operations = operations;
		this.showValues = showValues;
		this.roles = Set.copyOf(roles);
	}

	/**
	 * One page of the sources.
	 * @param security who asks
	 * @param search what their names contain
	 * @param state their state
	 * @param product their product
	 * @param origin what their origin contains
	 * @param server their database server
	 * @param sort the order
	 * @param page which page, from 0 on
	 * @param size how many sources a page has
	 * @return the page
	 */
	@ReadOperation
	public WebEndpointResponse<Object> datasources(SecurityContext security, @Nullable String search,
			@Nullable String state, @Nullable String product, @Nullable String origin, @Nullable String server,
			@Nullable String sort, @Nullable Integer page, @Nullable Integer size) {
		return answer(() -> this.view.sources(
				DatasourcesEndpoint.query(search, state, product, origin, server, sort, page, size),
				isShown(security)));
	}

	/**
	 * One source.
	 * @param security who asks
	 * @param source its name
	 * @return what there is of it
	 */
	@ReadOperation
	public WebEndpointResponse<Object> datasource(SecurityContext security, @Selector String source) {
		SourceDetailsDescriptor found = this.view.find(source, isShown(security));
		return (found != null) ? new WebEndpointResponse<>(found) : problem(
				Problem.notFound("There is no source of this name that is declared, was added or is in use."));
	}

	/**
	 * Where a tenant goes.
	 * @param kind {@value #TENANTS}
	 * @param id the tenant's id
	 * @return what is decided
	 */
	@ReadOperation
	public WebEndpointResponse<Object> tenant(@Selector String kind, @Selector String id) {
		return kind.equals(TENANTS) ? answer(() -> this.view.tenant(id)) : problem(nothingHere());
	}

	/**
	 * Adds a source.
	 * @param security who asks
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
	public WebEndpointResponse<Object> add(SecurityContext security, @Nullable String name, @Nullable String url,
			@Nullable String username, @Nullable String password, @Nullable String displayName,
			@Nullable Boolean readOnly, @Nullable Boolean migrated) {
		return answer(() -> {
			if (name == null || url == null) {
				throw new IllegalArgumentException("Give the 'name' and the 'url' of the source.");
			}
			return this.operations.add(operator(security), new SourceOperations.Addition(name, url, username, password,
					displayName, Boolean.TRUE.equals(readOnly), Boolean.TRUE.equals(migrated)));
		});
	}

	/**
	 * Gives a source another address or other credentials.
	 * @param security who asks
	 * @param source its name
	 * @param url its new URL
	 * @param username the user
	 * @param password the password
	 * @return what was done
	 */
	@WriteOperation
	public WebEndpointResponse<Object> replace(SecurityContext security, @Selector String source, @Nullable String url,
			@Nullable String username, @Nullable String password) {
		return answer(() -> this.operations.replace(operator(security), source, url, username, password));
	}

	/**
	 * Removes a source.
	 * @param security who asks
	 * @param source its name
	 * @return what was done
	 */
	@DeleteOperation
	public WebEndpointResponse<Object> remove(SecurityContext security, @Selector String source) {
		return answer(() -> this.operations.remove(operator(security), source));
	}

	/**
	 * Maps a tenant, or does something else to a source.
	 * @param security who asks
	 * @param kind {@value #TENANTS}, or a source's name
	 * @param id the tenant's id; or {@code drain}, {@code retry} or {@code migrate}
	 * @param source where the tenant is to go
	 * @return what was done
	 */
	@WriteOperation
	public WebEndpointResponse<Object> act(SecurityContext security, @Selector String kind, @Selector String id,
			@Nullable String source) {
		Operator by = operator(security);
		if (kind.equals(TENANTS)) {
			return answer(() -> {
				if (source == null) {
					throw new IllegalArgumentException("Give the 'source' to which the tenant is to be mapped.");
				}
				return this.operations.map(by, id, source);
			});
		}
		return switch (id) {
			case "drain" -> answer(() -> this.operations.drain(by, kind));
			case "retry" -> answer(() -> this.operations.retry(by, kind));
			case "migrate" -> answer(() -> this.operations.migrate(by, kind));
			default -> problem(nothingHere());
		};
	}

	/**
	 * Lets a tenant go where the routes lead.
	 * @param security who asks
	 * @param kind {@value #TENANTS}
	 * @param id the tenant's id
	 * @return what was done
	 */
	@DeleteOperation
	public WebEndpointResponse<Object> unmap(SecurityContext security, @Selector String kind, @Selector String id) {
		return kind.equals(TENANTS) ? answer(() -> this.operations.unmap(operator(security), id))
				: problem(nothingHere());
	}

	private boolean isShown(SecurityContext security) {
		return this.showValues.isShown(security, this.roles);
	}

	private static Operator operator(SecurityContext security) {
		Principal principal = security.getPrincipal();
		return new Operator((principal != null) ? principal.getName() : null, "http");
	}

	private static Problem nothingHere() {
		return Problem.notFound("There is tenants/{tenant}, and {source}/drain, {source}/retry and {source}/migrate.");
	}

	private static WebEndpointResponse<Object> answer(Supplier<Object> work) {
		try {
			Object done = work.get();
			boolean pending = done instanceof OperationDescriptor operation && !operation.isOver();
			return new WebEndpointResponse<>(done, pending ? STATUS_ACCEPTED : WebEndpointResponse.STATUS_OK);
		}
		catch (RuntimeException ex) {
			Problem problem = Problem.of(ex);
			if (problem == null) {
				throw ex;
			}
			return problem(problem);
		}
	}

	private static WebEndpointResponse<Object> problem(Problem problem) {
		return new WebEndpointResponse<>(problem.body(), problem.status(), PROBLEM);
	}

}
