package io.multidb.page;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.mock.web.MockHttpServletRequest;

import static org.assertj.core.api.Assertions.assertThat;

class SameOriginTests {

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			http://multi_db:8080 | multi_db:8080 | true
			http://MULTI_DB | multi_db | true
			http://multi_db:8080 | multi_db:8081 | false
			http://multi_db | other_db | false
			http://multi_db@evil.example | multi_db | false
			http://localhost:8080 | localhost:8080 | true
			http://[::1]:8080 | [::1]:8080 | true
			https://shop.example | shop.example | true
			http://evil.example | shop.example | false
			null | shop.example | false
			http:// | shop.example | false
			""")
	void anOriginIsOwnIfItNamesTheHostThatWasAsked(String origin, String host, boolean own) {
		MockHttpServletRequest request = new MockHttpServletRequest("POST", "/datasources/api/sources");
		request.addHeader(SameOrigin.HEADER, "1");
		request.addHeader("Host", host);
		request.addHeader("Origin", origin);
		request.setContentType("application/json");
		assertThat(SameOrigin.refusal(request) == null).isEqualTo(own);
	}

}
