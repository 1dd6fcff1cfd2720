package io.multidb.actuate;

import java.util.function.BiConsumer;

import io.micrometer.common.KeyValue;
import jakarta.servlet.http.HttpServletRequest;

import org.springframework.web.filter.ServerHttpObservationFilter;

/**
 * Adds a request's tenant to the observation that Spring MVC makes of it, as a key of
 * high cardinality: spans have it, meters do not. Thread-safe.
 */
public final class RequestTenant implements BiConsumer<HttpServletRequest, String> {

	@Override
	public void accept(HttpServletRequest request, String tenant) {
		ServerHttpObservationFilter.findObservationContext(request)
			.ifPresent((context) -> context
				.addHighCardinalityKeyValue(KeyValue.of(DatasourcesObservation.HighKey.TENANT.asString(), tenant)));
	}

}
