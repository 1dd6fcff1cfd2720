package io.multidb.sample.chats;

import java.io.Serial;

import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.web.ErrorResponseException;

/**
 * A chat cannot be moved there now. Over HTTP: 409.
 */
class MoveRefusedException extends ErrorResponseException {

	@Serial
	private static final long serialVersionUID = 1L;

	MoveRefusedException(String detail) {
		super(HttpStatus.CONFLICT, ProblemDetail.forStatusAndDetail(HttpStatus.CONFLICT, detail), null);
	}

}
