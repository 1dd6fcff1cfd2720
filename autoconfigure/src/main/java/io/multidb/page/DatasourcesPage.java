package io.multidb.page;

import java.net.URI;
import java.security.Principal;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

import jakarta.servlet.http.HttpServletRequest;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.http.CacheControl;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.converter.HttpMessageNotReadableException;
import org.springframework.web.servlet.function.RouterFunction;
import org.springframework.web.servlet.function.RouterFunctions;
import org.springframework.web.servlet.function.ServerRequest;
import org.springframework.web.servlet.function.ServerResponse;

import io.multidb.actuate.OperationDescriptor;
import io.multidb.actuate.Operator;
import io.multidb.actuate.Problem;
import io.multidb.actuate.SourceOperations;
import io.multidb.actuate.SourcesQuery;
import io.multidb.actuate.SourcesView;
import io.multidb.source.JdbcUrl;
import io.multidb.source.SourceRegistry;

/**
 * The page and what it asks for, below one path. It is served by whichever server Spring
 * Boot's own endpoints are, behind the application's own security. Changes go the way of
 * the endpoint's write operations, and only where those may be called.
 * <p>
 * Thread-safe.
 */
public final class DatasourcesPage {

	private static final Logger logger = LoggerFactory.getLogger(DatasourcesPage.class);

	private static final MediaType HTML = MediaType.valueOf("text/html;charset=UTF-8");

	private static final MediaType PROBLEM = MediaType.valueOf(Problem.MEDIA_TYPE);

	private final String path;

	private final String application;

	private final PageFiles files;

	private final PageData data;

	private final @Nullable SourceOperations operations;

	private final PageProtection protection;

	/**
	 * Creates the page.
	 * @param path where it is, such as {@code /datasources}
	 * @param application the application's name, to be shown
	 * @param files what it is made of
	 * @param registry the sources
	 * @param view the sources as an operator sees them
	 * @param operations what may be done; {@code null} to look only
	 * @param protection the application's own security
	 */
	public DatasourcesPage(String path, String application, PageFiles files, SourceRegistry registry, SourcesView view,
			@Nullable SourceOperations operations, PageProtection protection) {
		this.path = path;
		this.application = application;
		this.files = files;
		this.data = new PageData(registry, view, new PoolSamples(System::nanoTime), Clock.systemUTC(), files.version());
		this.operations = operations;
		this.protection = protection;
	}

	/**
	 * Where it is.
	 * @return a path that begins with a slash and does not end with one
	 */
	public String path() {
		return this.path;
	}

	/**
	 * A request that somebody who is not logged in may send, though only operators
	 * should.
	 * @param contextPath the context path
	 * @param prefix what stands between that and the page's path, often nothing
	 * @return method and path; {@code null} if there is none
	 */
	public @Nullable String findOpen(String contextPath, String prefix) {
		String page = prefix + this.path;
		String api = page + "/api";
		List<String> gets = new ArrayList<>(List.of(page, page + "/", api + "/session", api + "/sources",
				api + "/sources/any", api + "/tenants/any"));
		for (String get : gets) {
			if (this.protection.isOpen(contextPath, get, "GET")) {
				return "GET " + contextPath + get;
			}
		}
		for (String post : changes(api).values()) {
			if (this.protection.isOpen(contextPath, post, "POST")) {
				return "POST " + contextPath + post;
			}
		}
		return null;
	}

	/**
	 * A change that every user who is logged in may make, though only operators should.
	 * @param contextPath the context path
	 * @param prefix what stands between that and the page's path, often nothing
	 * @return method and path; {@code null} if there is none, or that is not known
	 */
	public @Nullable String findOpenToUsers(String contextPath, String prefix) {
		for (String post : changes(prefix + this.path + "/api").values()) {
			if (this.protection.isOpenToUsers(contextPath, post, "POST")) {
				return "POST " + contextPath + post;
			}
		}
		return null;
	}

	/**
	 * What answers requests.
	 * @return functions for the page, its files, its data and its changes
	 */
	public RouterFunction<ServerResponse> routes() {
		// Not nested: Spring MVC gets that wrong below a servlet's own path.
		String api = this.path + "/api";
		return RouterFunctions.route()
			.GET(this.path, (request) -> redirect())
			.GET(this.path + "/", (request) -> index())
			.GET(this.path + "/assets/{version}/{*file}", this::asset)
			.GET(api + "/session", this::session)
			.GET(api + "/sources", (request) -> answer(() -> this.data.overview(query(request))))
			.GET(api + "/sources/{name}", this::source)
			.GET(api + "/tenants/{tenant}", (request) -> answer(() -> this.data.tenant(request.pathVariable("tenant"))))
			.POST(api + "/sources",
					(request) -> change(request, Addition.class,
							(by, body) -> require(this.operations).add(by, body.toAddition())))
			.POST(api + "/sources/{name}/{action}", this::act)
			.POST(api + "/tenants/{tenant}/map",
					(request) -> change(request, Mapping.class,
							(by, body) -> require(this.operations).map(by, request.pathVariable("tenant"),
									given("source", body.source()))))
			.POST(api + "/tenants/{tenant}/unmap",
					(request) -> change(request, Nothing.class,
							(by, body) -> require(this.operations).unmap(by, request.pathVariable("tenant"))))
			.onError(Throwable.class, (ex, request) -> failed(ex))
			.build();
	}

	/** Without the slash, a browser looks for the files beside the page. */
	private ServerResponse redirect() {
		String last = this.path.substring(this.path.lastIndexOf('/') + 1);
		return ServerResponse.status(HttpStatus.FOUND)
			.location(URI.create(last + "/"))
			.cacheControl(CacheControl.noStore())
			.build();
	}

	private ServerResponse index() {
		return ServerResponse.ok().contentType(HTML).cacheControl(CacheControl.noStore()).body(this.files.index());
	}

	/**
	 * One of another version is given, too, but not to be kept: nodes are updated in
	 * turn.
	 */
	private ServerResponse asset(ServerRequest request) {
		String path = request.pathVariable("file").substring(1);
		byte[] file = this.files.find(path);
		if (file == null) {
			return ServerResponse.notFound().build();
		}
		boolean current = request.pathVariable("version").equals(this.files.version());
		return ServerResponse.ok()
			.contentType(PageFiles.type(path))
			.cacheControl(current ? CacheControl.maxAge(Duration.ofDays(365)).cachePrivate().immutable()
					: CacheControl.noStore())
			.body(file);
	}

	/**
	 * Who looks, and what he may do.
	 *
	 * @param application the application's name
	 * @param user the user's name; {@code null} for nobody
	 * @param node which process says so
	 * @param version of the page's files there
	 * @param actions what he may do
	 * @param csrf what has to come along then
	 */
	record Session(String application, @Nullable String user, String node, String version, List<String> actions,
			PageProtection.@Nullable CsrfToken csrf) {

	}

	private ServerResponse session(ServerRequest request) {
		HttpServletRequest http = request.servletRequest();
		String own = http.getRequestURI().substring(http.getContextPath().length());
		String api = own.substring(0, own.length() - "/session".length());
		List<String> actions = new ArrayList<>();
		changes(api).forEach((action, path) -> {
			if (this.protection.mayUser(http, path, "POST")) {
				actions.add(action);
			}
		});
		Principal user = http.getUserPrincipal();
		return json(new Session(this.application, (user != null) ? user.getName() : null, PageData.NODE,
				this.files.version(), actions, actions.isEmpty() ? null : this.protection.csrfToken(http)));
	}

	/** What may be done, and by which requests. */
	private Map<String, String> changes(String api) {
		Map<String, String> changes = new LinkedHashMap<>();
		if (this.operations != null) {
			changes.put("add", api + "/sources");
			for (String action : List.of("replace", "remove", "drain", "retry", "migrate")) {
				changes.put(action, api + "/sources/any/" + action);
			}
			changes.put("map", api + "/tenants/any/map");
			changes.put("unmap", api + "/tenants/any/unmap");
		}
		return changes;
	}

	private static SourcesQuery query(ServerRequest request) {
		String sort = request.param("sort").orElse("state");
		boolean descending = sort.startsWith("-");
		return new SourcesQuery(request.param("search").orElse(null), request.param("state").orElse(null),
				request.param("product").orElse(null), request.param("origin").orElse(null),
				request.param("server").orElse(null), PageData.sort(descending ? sort.substring(1) : sort), descending,
				number(request, "page", 0), number(request, "size", SourcesQuery.DEFAULT_SIZE));
	}

	private static int number(ServerRequest request, String name, int otherwise) {
		String text = request.param(name).orElse("");
		try {
			return text.isEmpty() ? otherwise : Integer.parseInt(text);
		}
		catch (NumberFormatException ex) {
			throw new IllegalArgumentException("'" + name + "' is no number");
		}
	}

	private ServerResponse source(ServerRequest request) {
		PageData.Detail found = this.data.source(request.pathVariable("name"));
		return (found != null) ? json(found) : problem(404, "Not Found",
				"There is no source of this name that is declared, was added or is in use.");
	}

	/** What is sent to add a source. */
	record Addition(@Nullable String name, @Nullable String url, @Nullable String username, @Nullable String password,
			@Nullable String displayName, @Nullable Boolean readOnly, @Nullable Boolean migrated) {

		SourceOperations.Addition toAddition() {
			return new SourceOperations.Addition(given("name", this.name), given("url", this.url), this.username,
					this.password, this.displayName, Boolean.TRUE.equals(this.readOnly),
					Boolean.TRUE.equals(this.migrated));
		}

		/** Passwords are secret. */
		@Override
		public String toString() {
			return "Addition[name=" + this.name + "]";
		}

	}

	/** What is sent to replace a source. */
	record Replacement(@Nullable String url, @Nullable String username, @Nullable String password) {

		/** Passwords are secret. */
		@Override
		public String toString() {
			return "Replacement[]";
		}

	}

	/** What is sent to map a tenant. */
	record Mapping(@Nullable String source) {

	}

	/** What is sent where nothing needs to be said. */
	record Nothing() {

	}

	private ServerResponse act(ServerRequest request) {
		String name = request.pathVariable("name");
		return switch (request.pathVariable("action")) {
			case "replace" -> change(request, Replacement.class, (by, body) -> require(this.operations).replace(by,
					name, body.url(), body.username(), body.password()));
			case "remove" -> change(request, Nothing.class, (by, body) -> require(this.operations).remove(by, name));
			case "drain" -> change(request, Nothing.class, (by, body) -> require(this.operations).drain(by, name));
			case "retry" -> change(request, Nothing.class, (by, body) -> require(this.operations).retry(by, name));
			case "migrate" -> change(request, Nothing.class, (by, body) -> require(this.operations).migrate(by, name));
			default -> problem(404, "Not Found", "There is no such action.");
		};
	}

	/** A change by an operator. */
	private interface Change<B> {

		OperationDescriptor make(Operator by, B body);

	}

	private <B> ServerResponse change(ServerRequest request, Class<B> type, Change<B> change) {
		if (this.operations == null) {
			return problem(403, "Forbidden",
					"Changes are off: they need 'management.endpoint.datasources.access=unrestricted'.");
		}
		String refusal = SameOrigin.refusal(request.servletRequest());
		if (refusal != null) {
			return problem(403, "Forbidden", refusal);
		}
		@Nullable B body;
		try {
			body = request.body(type);
		}
		catch (HttpMessageNotReadableException ex) {
			// Its message may quote what was sent.
			body = null;
		}
		catch (Exception ex) {
			return failed(ex);
		}
		// Also what was sent as null.
		if (body == null) {
			return problem(400, "Bad Request", "This is no JSON object, or one of other fields.");
		}
		B sent = body;
		Principal user = request.servletRequest().getUserPrincipal();
		Operator by = new Operator((user != null) ? user.getName() : null, "page");
		return answer(() -> change.make(by, sent));
	}

	private static SourceOperations require(@Nullable SourceOperations operations) {
		if (operations == null) {
			throw new IllegalStateException("Changes are off");
		}
		return operations;
	}

	private static String given(String name, @Nullable String value) {
		if (value == null || value.isBlank()) {
			throw new IllegalArgumentException("Give the '" + name + "'.");
		}
		return value;
	}

	private static ServerResponse answer(Supplier<Object> work) {
		try {
			return json(work.get());
		}
		catch (RuntimeException ex) {
			Problem problem = Problem.of(ex);
			return (problem != null) ? body(problem.status(), problem.retryAfterSeconds(), problem.body()) : failed(ex);
		}
	}

	private static ServerResponse json(Object body) {
		return ServerResponse.ok()
			.contentType(MediaType.APPLICATION_JSON)
			.cacheControl(CacheControl.noStore())
			.body(body);
	}

	/** What it was is in the log alone. */
	private static ServerResponse failed(Throwable ex) {
		logger.error("The page of sources failed", JdbcUrl.mask(ex));
		return problem(500, "Internal Server Error", "The request failed; the application's log says why.");
	}

	private static ServerResponse problem(int status, String title, String detail) {
		return body(status, null, Map.of("title", title, "status", status, "detail", detail));
	}

	private static ServerResponse body(int status, @Nullable Long retryAfter, Map<String, Object> body) {
		return ServerResponse.status(status)
			.contentType(PROBLEM)
			.cacheControl(CacheControl.noStore())
			.headers((headers) -> {
				if (retryAfter != null) {
					headers.set(HttpHeaders.RETRY_AFTER, String.valueOf(retryAfter));
				}
			})
			.body(body);
	}

	/**
	 * What every answer has, so that no browser does more with it than it should.
	 * @return headers by name
	 */
	public static Map<String, String> headers() {
		return Map.of("Content-Security-Policy",
				"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
						+ " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
				"X-Content-Type-Options", "nosniff", "X-Frame-Options", "DENY", "Referrer-Policy", "no-referrer",
				"Cross-Origin-Opener-Policy", "same-origin", "Cross-Origin-Resource-Policy", "same-origin",
				HttpHeaders.VARY, "Cookie, Authorization");
	}

}
