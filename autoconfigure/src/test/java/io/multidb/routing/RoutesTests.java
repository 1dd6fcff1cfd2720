package io.multidb.routing;

import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import io.multidb.NoTenantException;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.UnknownSourceException;
import io.multidb.UnknownTenantException;
import io.multidb.source.CreatePolicy;
import io.multidb.source.NamePattern;
import io.multidb.source.Source;
import io.multidb.source.SourceDefinition;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Tests for {@link Routes}.
 */
class RoutesTests {

	@TempDir
	private Path directory;

	@AutoClose
	private final Sources sources = new Sources();

	private SourceRegistry registry;

	@BeforeEach
	void declare() {
		for (String name : new String[] { "main", "archive", "chats-eu", "chats-us" }) {
			this.sources.with(Sources.sqlite(name, this.directory));
		}
		this.sources.with(Sources.sqlite("server", this.directory).internal(true));
		this.sources.with(Sources.template(
				SourceDefinition.named("election").url("jdbc:sqlite:" + this.directory + "/e/{id}.db").build(),
				"election-{id}", CreatePolicy.EXPLICIT, null));
		this.registry = this.sources.registry();
	}

	private Routes routes(String... routes) {
		List<Route> list = new ArrayList<>();
		for (String route : routes) {
			String[] sides = route.split(" -> ", -1);
			list.add(new Route(Arrays.stream(sides[0].split(",", -1)).map(NamePattern::of).toList(), sides[1]));
		}
		return new Routes(list, null, this.registry);
	}

	@ParameterizedTest
	@CsvSource({ "chat-1001, archive", "chat-1002, archive", "chat-77, main", "election-42, election-42",
			"chat-r-eu, chats-eu", "vip, main" })
	void theFirstMatchWins(String tenant, String source) {
		Routes routes = routes("chat-1001,chat-1002 -> archive", "election-{id} -> election",
				"chat-r-{region} -> chats-{region}", "chat-*,vip -> main");
		assertThat(routes.resolve(tenant).name()).isEqualTo(source);
	}

	@Test
	void aPatternBeforeALiteralWins() {
		assertThat(routes("chat-* -> main", "vip -> archive").resolve("vip").name()).isEqualTo("archive");
		assertThat(routes("chat-* -> main", "* -> archive", "vip -> main").resolve("vip").name()).isEqualTo("archive");
	}

	@Test
	void withoutRoutesEachTenantHasTheSourceOfItsName() {
		Routes routes = routes();
		assertThat(routes.resolve("main").name()).isEqualTo("main");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve("Main"));
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve("nobody"))
			.satisfies((ex) -> assertThat(ex.tenant()).isEqualTo("nobody"));
	}

	@Test
	void withoutAMatchThereIsNoDefault() {
		assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> routes("chat-* -> main").resolve("user-1"))
			.withMessageContaining("'app.tenancy.routes'");
	}

	@Test
	void aTemplateIsReachedByItsRouteAlone() {
		Routes routes = routes("{x} -> {x}");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve("election-42"));
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve("election"))
			.withMessageContaining("election");
	}

	@Test
	void noTenantReachesAnInternalSource() {
		Routes routes = routes("* -> {tenant}");
		assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve("server"))
			.withMessageContaining("internal");
		assertThat(SourceContext.call("server", () -> routes.resolve(Target.current())).name()).isEqualTo("server");
	}

	@Test
	void withoutATargetThereIsNoSource() {
		assertThatExceptionOfType(NoTenantException.class).isThrownBy(() -> routes().resolve(Target.current()))
			.withMessageContaining(Thread.currentThread().getName())
			.withMessageContaining("'app.tenancy.no-tenant'");
	}

	@Test
	void aSourceForWorkWithoutATenantIsUsedOnlyWhereItIsNamed() {
		Routes routes = new Routes(List.of(), "main", this.registry);
		assertThat(routes.resolve(Target.current()).name()).isEqualTo("main");
		assertThatExceptionOfType(UnknownTenantException.class)
			.isThrownBy(() -> TenantContext.run("nobody", () -> routes.resolve(Target.current())));
	}

	@Test
	void aSourceNamedDirectlyMustExist() {
		assertThatExceptionOfType(UnknownSourceException.class)
			.isThrownBy(() -> SourceContext.run("nope", () -> routes().resolve(Target.current())))
			.withMessageContaining("main");
	}

	@Test
	void whatATargetRemembersIsForgottenWhenTheSourceIsRemoved() {
		Routes routes = routes();
		try (Scope scope = TenantContext.enter("main")) {
			Source before = routes.resolve(Target.current());
			assertThat(routes.resolve(Target.current())).isSameAs(before);
			this.registry.remove("main");
			assertThatExceptionOfType(UnknownTenantException.class).isThrownBy(() -> routes.resolve(Target.current()));
			this.registry.add(Sources.sqlite("main", this.directory).build());
			assertThat(routes.resolve(Target.current())).isNotSameAs(before);
		}
	}

	@Test
	void whatATargetRemembersOfOneApplicationIsNothingToAnother() {
		try (Sources other = new Sources(); Scope scope = TenantContext.enter("main")) {
			Source mine = routes().resolve(Target.current());
			other.with(Sources.sqlite("main", this.directory.resolve("other")));
			Source theirs = new Routes(List.of(), null, other.registry()).resolve(Target.current());
			assertThat(theirs).isNotSameAs(mine);
		}
	}

	@Test
	void whatOthersRememberStaysWhenATenantHasNoDatabase() {
		RoutingDataSource router = new RoutingDataSource(routes("election-{id} -> election", "* -> main"));
		Target known = targetOnceResolved(router, "someone");
		assertThatExceptionOfType(SQLException.class).isThrownBy(() -> connect(router, "election-1"))
			.withCauseInstanceOf(UnknownTenantException.class);
		assertThat(Target.ofTenant("someone")).isSameAs(known);
		assertThat(Target.ofTenant("election-1").resolution()).isNull();
	}

	@Test
	void whatOthersRememberStaysWhenATemplatesSourceIsClosed() {
		this.directory.resolve("e").toFile().mkdir();
		Routes routes = routes("election-{id} -> election", "* -> main");
		RoutingDataSource router = new RoutingDataSource(routes);
		routes.create("election-1");
		Target known = targetOnceResolved(router, "someone");
		assertThat(targetOnceResolved(router, "election-1").resolution()).isNotNull();
		this.registry.drain("election-1");
		assertThat(Target.ofTenant("someone")).isSameAs(known);
		assertThat(Target.ofTenant("election-1").resolution()).isNull();
	}

	@Test
	void whatLeadsToASourceIsLetGoWhenItIsRemoved() {
		RoutingDataSource router = new RoutingDataSource(routes("* -> main"));
		assertThat(targetOnceResolved(router, "someone").resolution()).isNotNull();
		this.registry.remove("main");
		assertThat(Target.ofTenant("someone").resolution()).isNull();
	}

	private static void connect(RoutingDataSource router, String tenant) throws SQLException {
		TenantContext.<Void, SQLException>call(tenant, () -> {
			router.getConnection().close();
			return null;
		});
	}

	/** The target of the tenant's next scopes. */
	private static Target targetOnceResolved(RoutingDataSource router, String tenant) {
		try {
			connect(router, tenant);
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
		Target target = Target.ofTenant(tenant);
		assertThat(Target.ofTenant(tenant)).isSameAs(target);
		return target;
	}

	@Test
	void onlyATemplatesTenantsAreCreated() {
		Routes routes = routes("election-{id} -> election", "* -> main");
		this.directory.resolve("e").toFile().mkdir();
		assertThat(routes.create("election-1")).isTrue();
		assertThat(routes.create("election-1")).isFalse();
		assertThat(routes.create("anyone")).isFalse();
	}

}
