package io.multidb.sample.chats;

import java.io.Serial;

import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.web.ErrorResponseException;

/**
 * A chat is on its way to another source, or has just gone there. Over HTTP: 503, as
 * trying again helps.
 */
class ChatMovingException extends ErrorResponseException {

	@Serial
	private static final long serialVersionUID = 1L;

	ChatMovingException(String id) {
		super(HttpStatus.SERVICE_UNAVAILABLE,
				ProblemDetail.forStatusAndDetail(HttpStatus.SERVICE_UNAVAILABLE,
						"Chat '" + id + "' is being moved to another source. Nothing was read or written; try again."),
				null);
		getHeaders().set("Retry-After", "1");
	}

}
