package io.multidb.page;

import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;

import org.jspecify.annotations.Nullable;

import io.multidb.actuate.SourceDescriptor;
import io.multidb.actuate.SourceDetailsDescriptor;
import io.multidb.actuate.SourcesDescriptor;
import io.multidb.actuate.SourcesQuery;
import io.multidb.actuate.SourcesView;
import io.multidb.actuate.TenantDescriptor;
import io.multidb.source.SourceRegistry;

/**
 * What the page shows. Looking opens nothing and asks no database. Values that could be
 * secret are masked for everybody. Thread-safe.
 */
final class PageData {

	private final SourceRegistry registry;

	private final SourcesView view;

	private final PoolSamples samples;

	private final Clock clock;

	private final String version;

	/**
	 * A page of the list.
	 *
	 * @param now when this was true, by the server's clock
	 * @param node which process says so
	 * @param version of the page's files there
	 * @param list the sources that were asked for, and what stands around them
	 * @param broken the first ones of those that are unavailable, whatever was asked for
	 * @param states how many sources there are in each state, whatever was asked for
	 */
	record Overview(Instant now, String node, String version, SourcesDescriptor list, List<SourceDescriptor> broken,
			Map<String, Integer> states) {

	}

	/**
	 * One source.
	 *
	 * @param now when this was true, by the server's clock
	 * @param node which process says so
	 * @param version of the page's files there
	 * @param details everything that is known of it
	 * @param samples its connections over the last minutes
	 */
	record Detail(Instant now, String node, String version, SourceDetailsDescriptor details,
			PoolSamples.Samples samples) {

	}

	PageData(SourceRegistry registry, SourcesView view, PoolSamples samples, Clock clock, String version) {
		this.registry = registry;
		this.view = view;
		this.samples = samples;
		this.clock = clock;
		this.version = version;
	}

	/**
	 * A page of the list.
	 * @param query which
	 */
	Overview overview(SourcesQuery query) {
		this.samples.take(this.registry.stream());
		SourcesDescriptor list = this.view.sources(query, false);
		return new Overview(this.clock.instant(), NODE, this.version, list, list.attention().unavailable().first(),
				list.attention().states());
	}

	/**
	 * One source.
	 * @param name its name
	 * @return {@code null} if there is none
	 */
	@Nullable Detail source(String name) {
		this.samples.take(this.registry.stream());
		SourceDetailsDescriptor details = this.view.find(name, false);
		return (details != null) ? new Detail(this.clock.instant(), NODE, this.version, details, this.samples.of(name))
				: null;
	}

	/**
	 * Where a tenant goes.
	 * @param tenant its id
	 */
	TenantDescriptor tenant(String tenant) {
		return this.view.tenant(tenant);
	}

	/** Behind a load balancer, answers come from several. */
	static final String NODE = node();

	private static String node() {
		String host = System.getenv("HOSTNAME");
		String process = "process " + ProcessHandle.current().pid();
		return (host != null && !host.isBlank()) ? host + ", " + process : process;
	}

	/**
	 * An order by its name.
	 * @param text such as {@code state}
	 */
	static SourcesQuery.Sort sort(String text) {
		try {
			return SourcesQuery.Sort.valueOf(text.toUpperCase(Locale.ROOT));
		}
		catch (IllegalArgumentException ex) {
			throw new IllegalArgumentException(
					"There is no such order: sort by name, state, product, origin or active");
		}
	}

}
