package io.multidb.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.jdbc.core.simple.JdbcClient;

import io.multidb.InvalidDatasourcesException;
import io.multidb.SourceUnavailableException;
import io.multidb.TenantContext;
import io.multidb.routing.Routes;
import io.multidb.routing.ShardMap;
import io.multidb.routing.Shards;
import io.multidb.source.SourceRegistry;
import io.multidb.source.SourceState;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Routes that spread their tenants, in an application.
 */
@ExtendWith(OutputCaptureExtension.class)
class ShardedRoutesTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareSources() {
		List<String> properties = new ArrayList<>();
		for (String name : List.of("chats-1", "chats-2", "chats-3", "main")) {
			properties.add("app.datasources." + name + ".url=jdbc:sqlite:" + this.directory.resolve(name + ".db"));
		}
		properties.add("app.datasources.backup.url=jdbc:sqlite:" + this.directory.resolve("backup.db"));
		properties.add("app.datasources.backup.read-only=true");
		properties.add("app.datasources.server.url=jdbc:sqlite:" + this.directory.resolve("server.db"));
		properties.add("app.datasources.server.internal=true");
		properties.add("app.datasources.shop.url=jdbc:sqlite:" + this.directory + "/{id}.db");
		properties.add("app.tenancy.routes[0].tenants=shop-{id}");
		properties.add("app.tenancy.routes[0].source=shop");
		properties.add("app.tenancy.routes[1].tenants=chat-*");
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(
					AutoConfigurations.of(MultiDbAutoConfiguration.class, MultiDbLiquibaseAutoConfiguration.class,
							MultiDbCatalogAutoConfiguration.class, MultiDbDiscoveryAutoConfiguration.class,
							JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class))
			.withPropertyValues(properties.toArray(String[]::new));
	}

	private ApplicationContextRunner spread(String... properties) {
		return this.contextRunner
			.withPropertyValues(Arrays.stream(properties).map("app.tenancy.routes[1]."::concat).toArray(String[]::new));
	}

	@Test
	void tenantsAreSpreadAndStayWhereTheyAre() {
		List<String> places = new ArrayList<>();
		spread("sources=chats-1,chats-2").run((context) -> {
			for (int i = 0; i < 20; i++) {
				String chat = "chat-" + i;
				TenantContext.run(chat, () -> write(context.getBean(JdbcClient.class), chat));
				places.add(context.getBean(Routes.class).resolve(chat).name());
			}
		});
		assertThat(places).contains("chats-1", "chats-2");
		spread("sources=chats-1,chats-2,chats-3", "generation=2").run((context) -> {
			for (int i = 0; i < 20; i++) {
				String chat = "chat-" + i;
				assertThat(context.getBean(Routes.class).resolve(chat).name()).isEqualTo(places.get(i));
				TenantContext.run(chat,
						() -> assertThat(context.getBean(JdbcClient.class)
							.sql("SELECT count(*) FROM message WHERE chat = ?")
							.param(chat)
							.query(Integer.class)
							.single()).isEqualTo(1));
			}
		});
	}

	private static void write(JdbcClient jdbc, String chat) {
		int unused = jdbc.sql("CREATE TABLE IF NOT EXISTS message (chat varchar(64))").update();
		unused = jdbc.sql("INSERT INTO message VALUES (?)").param(chat).update();
	}

	@Test
	void aStartWithAnotherListFailsAndSaysHowToGoOn() {
		spread("sources=chats-1,chats-2").run((context) -> assertThat(context).hasNotFailed());
		spread("sources=chats-1,chats-2,chats-3").run((context) -> assertThat(context).hasFailed()
			.getFailure()
			.isInstanceOf(InvalidDatasourcesException.class)
			.hasMessageContaining("'generation: 2'"));
		spread("sources=chats-1,chats-2,chats-3", "generation=2").run((context) -> assertThat(context).hasNotFailed());
		spread("sources=chats-1,chats-2").run((context) -> assertThat(context).hasFailed());
	}

	@Test
	void aCatalogKnowsWhereTenantsAreAndAStartWithAnotherListFails() {
		String catalog = "app.tenancy.catalog.source=main";
		List<String> places = new ArrayList<>();
		spread("sources=chats-1,chats-2").run((context) -> {
			for (int i = 0; i < 10; i++) {
				places.add(context.getBean(Routes.class).resolve("chat-" + i).name());
			}
		});
		spread("sources=chats-1,chats-2").withPropertyValues(catalog).run((context) -> {
			for (int i = 0; i < 10; i++) {
				assertThat(context.getBean(Routes.class).resolve("chat-" + i).name()).isEqualTo(places.get(i));
			}
			assertThat(Sources.query(context.getBean(SourceRegistry.class).get("main"),
					"SELECT count(*) FROM multidb_place"))
				.isEqualTo("10");
		});
		spread("sources=chats-1,chats-2,chats-3").withPropertyValues(catalog)
			.run((context) -> assertThat(context).hasFailed()
				.getFailure()
				.isInstanceOf(InvalidDatasourcesException.class)
				.hasMessageContaining("recorded in the catalog")
				.hasMessageContaining("'generation: 2'"));
		spread("sources=chats-1,chats-2").run((context) -> assertThat(context).hasFailed()
			.getFailure()
			.isInstanceOf(InvalidDatasourcesException.class)
			.hasMessageContaining("'app.tenancy.catalog.source'"));
		spread("sources=chats-1,chats-2,chats-3", "generation=2").withPropertyValues(catalog)
			.run((context) -> assertThat(context).hasNotFailed());
	}

	@Test
	void theApplicationsShardMapGoesBeforeTheCatalog() {
		ShardMap always = new ShardMap() {

			@Override
			public void check(Shards shards) {
			}

			@Override
			public String place(String tenant, Shards shards) {
				return "chats-2";
			}

		};
		spread("sources=chats-1,chats-2").withPropertyValues("app.tenancy.catalog.source=main")
			.withBean(ShardMap.class, () -> always)
			.run((context) -> {
				for (int i = 0; i < 10; i++) {
					assertThat(context.getBean(Routes.class).resolve("chat-" + i).name()).isEqualTo("chats-2");
				}
			});
	}

	@Test
	void aSourceThatIsDownDoesNotHoldUpTheStartAndNobodyIsPlaced(CapturedOutput output) throws IOException {
		Files.createDirectory(this.directory.resolve("chats-2.db"));
		spread("sources=chats-1,chats-2").run((context) -> {
			assertThat(context).hasNotFailed();
			assertThat(output).containsOnlyOnce("could not be compared with those that were recorded");
			assertThatExceptionOfType(SourceUnavailableException.class)
				.isThrownBy(() -> context.getBean(Routes.class).resolve("chat-1"))
				.withMessageContaining("chat-1")
				.withMessageContaining("'chats-2'");
		});
	}

	@Test
	void withoutSuchARouteNothingIsOpened() {
		spread("source=main").run((context) -> assertThat(context.getBean(SourceRegistry.class).sources())
			.allMatch((source) -> source.state() instanceof SourceState.Cold));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', quoteCharacter = '"',
			value = { "sources= | routes[1].sources' is empty, or has an empty name",
					"sources=chats-1,, | routes[1].sources' is empty, or has an empty name",
					"sources=chats-1,chats-2,chats-1 | has 'chats-1' twice",
					"sources=chats-1,nowhere | 'nowhere', which is no source",
					"sources=chats-1,shop | 'shop', which is a template",
					"sources=chats-1,chats-{id} | which has a placeholder",
					"sources=chats-1,{tenant} | which has a placeholder", "sources=chats-1,server | 'internal: true'",
					"sources=chats-1,backup | 'backup', which is read-only",
					"sources=chats-1,chats-4 | Did you mean 'chats-1'?" })
	void whatCannotBeAListIsRefused(String property, String why) {
		spread(property).run((context) -> assertThat(context).hasFailed()
			.getFailure()
			.rootCause()
			.isInstanceOf(InvalidDatasourcesException.class)
			.hasMessageContaining(why));
	}

	@Test
	void oneSourceAndSeveralExcludeEachOther() {
		spread("source=main", "sources=chats-1").run((context) -> assertThat(context).hasFailed()
			.getFailure()
			.rootCause()
			.hasMessageContaining("has both a 'source' and 'sources'"));
	}

	@Test
	void aGenerationIsOneOrMoreAndNeedsAList() {
		spread("sources=chats-1", "generation=0").run((context) -> assertThat(context).hasFailed()
			.getFailure()
			.rootCause()
			.hasMessageContaining(".generation' must be 1 or more"));
		spread("source=main", "generation=2").run((context) -> assertThat(context).hasFailed()
			.getFailure()
			.rootCause()
			.hasMessageContaining(".generation' is for 'sources'"));
	}

	@Test
	void aSourceIsInOneListOnly() {
		spread("sources=chats-1,chats-2")
			.withPropertyValues("app.tenancy.routes[2].tenants=room-*", "app.tenancy.routes[2].sources=chats-2,chats-3")
			.run((context) -> assertThat(context).hasFailed()
				.getFailure()
				.rootCause()
				.hasMessageContaining("'chats-2', which is one of 'app.tenancy.routes[1].sources', too"));
	}

}
