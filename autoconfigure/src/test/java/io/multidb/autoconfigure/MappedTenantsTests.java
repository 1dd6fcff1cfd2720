package io.multidb.autoconfigure;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;

import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.routing.MappingEvent;
import io.multidb.routing.MappingStore;
import io.multidb.routing.Routes;
import io.multidb.routing.TenantMappings;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Mappings of tenants at run time, in an application.
 */
@ExtendWith(OutputCaptureExtension.class)
class MappedTenantsTests {

	@TempDir
	private Path directory;

	private ApplicationContextRunner contextRunner;

	@BeforeEach
	void declareSources() {
		this.contextRunner = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class))
			.withPropertyValues("app.datasources.main.url=jdbc:sqlite:" + this.directory.resolve("main.db"),
					"app.datasources.archive.url=jdbc:sqlite:" + this.directory.resolve("archive.db"),
					"app.tenancy.routes[0].tenants=chat-*", "app.tenancy.routes[0].source=main");
	}

	@Test
	void aMappingIsAnEventAndALineInTheLog(CapturedOutput output) {
		this.contextRunner.withUserConfiguration(Listener.class).run((context) -> {
			TenantMappings mappings = context.getBean(TenantMappings.class);
			mappings.map("chat-7", "archive");
			mappings.unmap("chat-7");
			assertThat(context.getBean(Listener.class).events).containsExactly(
					new MappingEvent.Mapped("chat-7", "archive", null), new MappingEvent.Unmapped("chat-7", "archive"));
			assertThat(output).containsOnlyOnce("Tenant 'chat-7' mapped to source 'archive'\n")
				.containsOnlyOnce("Tenant 'chat-7' mapped to source 'archive' no more");
		});
	}

	@Test
	void theApplicationsStoreIsUsed() {
		this.contextRunner.withBean(MappingStore.class, Store::new).run((context) -> {
			Routes routes = context.getBean(Routes.class);
			assertThat(TenantContext.<String, RuntimeException>call("chat-7",
					() -> routes.resolve(Target.current()).name()))
				.isEqualTo("archive");
			assertThat(routes.resolve("chat-8").name()).isEqualTo("main");
		});
	}

	@Configuration(proxyBeanMethods = false)
	static class Listener {

		private final List<MappingEvent> events = new ArrayList<>();

		@EventListener
		void on(MappingEvent event) {
			this.events.add(event);
		}

	}

	private static final class Store implements MappingStore {

		private final Map<String, String> rows = new ConcurrentHashMap<>(Map.of("chat-7", "archive"));

		@Override
		public Map<String, String> load() {
			return Map.copyOf(this.rows);
		}

		@Override
		public void save(String tenant, String source) {
			this.rows.put(tenant, source);
		}

		@Override
		public void remove(String tenant) {
			this.rows.remove(tenant);
		}

	}

}
