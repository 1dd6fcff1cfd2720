package io.multidb.web;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Sends a GET byte by byte as it is given: ordinary clients refuse what attackers send.
 *
 * @param status the status
 * @param headers the headers, names in lower case
 * @param body the body as it came, perhaps in chunks
 */
public record RawHttp(int status, Map<String, String> headers, String body) {

	public static RawHttp get(int port, String target, String... headerLines) throws IOException {
		StringBuilder request = new StringBuilder("GET " + target + " HTTP/1.1\r\nConnection: close\r\n");
		boolean host = false;
		for (String line : headerLines) {
			host |= line.startsWith("Host:");
			request.append(line).append("\r\n");
		}
		request.append(host ? "" : "Host: localhost\r\n").append("\r\n");
		try (Socket socket = new Socket("localhost", port)) {
			socket.setSoTimeout(30_000);
			socket.getOutputStream().write(request.toString().getBytes(StandardCharsets.UTF_8));
			return parse(socket.getInputStream());
		}
	}

	private static RawHttp parse(InputStream input) throws IOException {
		String response = new String(input.readAllBytes(), StandardCharsets.UTF_8);
		int end = response.indexOf("\r\n\r\n");
		List<String> lines = response.substring(0, end).lines().toList();
		Map<String, String> headers = new TreeMap<>();
		for (String line : lines.subList(1, lines.size())) {
			int colon = line.indexOf(':');
			headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
		}
		int status = Integer.parseInt(lines.get(0).substring(9, 12));
		return new RawHttp(status, headers, response.substring(end + 4));
	}

	public String contentType() {
		return this.headers.getOrDefault("content-type", "");
	}

}
