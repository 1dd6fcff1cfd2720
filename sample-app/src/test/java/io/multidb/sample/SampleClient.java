package io.multidb.sample;

import java.net.URI;
import java.util.Map;

import org.springframework.http.MediaType;
import org.springframework.test.web.servlet.client.RestTestClient;
import org.springframework.test.web.servlet.client.RestTestClient.ResponseSpec;

/**
 * Calls a running sample over HTTP. Safe to share between threads.
 *
 * @param address where it listens
 * @param http what does the calling
 */
public record SampleClient(String address, RestTestClient http) {

	public static SampleClient at(int port) {
		String address = "http://localhost:" + port;
		return new SampleClient(address, RestTestClient.bindToServer().build());
	}

	public ResponseSpec vote(String election, String candidate) {
		return post("/elections/" + election + "/votes", Map.of("candidate", candidate));
	}

	public ResponseSpec results(String election) {
		return get("/elections/" + election + "/results");
	}

	public ResponseSpec write(String chat, String text) {
		return post("/chats/" + chat + "/messages", Map.of("text", text));
	}

	public ResponseSpec messages(String chat) {
		return get("/chats/" + chat + "/messages");
	}

	public ResponseSpec add(String app, String text) {
		return post("/apps/" + app + "/records", Map.of("text", text));
	}

	public ResponseSpec records(String app) {
		return get("/apps/" + app + "/records");
	}

	/** As an operator, who sees what it is made of. */
	public ResponseSpec health() {
		return this.http.get()
			.uri(URI.create(this.address + "/actuator/health"))
			.headers((headers) -> headers.setBasicAuth("operator", "operator"))
			.exchange();
	}

	/**
	 * Gets a path.
	 * @param path the path, sent as it is: what has to be encoded is already
	 */
	public ResponseSpec get(String path) {
		return this.http.get().uri(URI.create(this.address + path)).exchange();
	}

	/**
	 * Posts JSON to a path.
	 * @param path the path, sent as it is: what has to be encoded is already
	 * @param body what becomes JSON, or JSON as text
	 */
	public ResponseSpec post(String path, Object body) {
		return this.http.post()
			.uri(URI.create(this.address + path))
			.contentType(MediaType.APPLICATION_JSON)
			.body(body)
			.exchange();
	}

}
