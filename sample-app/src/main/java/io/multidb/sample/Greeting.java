package io.multidb.sample;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.event.EventListener;
import org.springframework.stereotype.Component;

/**
 * Tells who has started the sample where to look.
 */
@Component
class Greeting {

	private static final Logger logger = LoggerFactory.getLogger(Greeting.class);

	@EventListener
	void greet(ApplicationReadyEvent event) {
		if (event.getApplicationContext() instanceof WebServerApplicationContext context
				&& context.getWebServer() != null) {
			String address = "http://localhost:" + context.getWebServer().getPort();
			logger.info("""
					Ready. To look at in a browser:
					  {}                    the sample
					  {}/datasources        its databases, for operator with the password operator
					  {}/actuator/health    health""", address, address, address);
		}
	}

}
