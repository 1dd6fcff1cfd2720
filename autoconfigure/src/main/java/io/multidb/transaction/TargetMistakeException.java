package io.multidb.transaction;

import java.io.Serial;
import java.lang.reflect.Proxy;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

/**
 * A {@link io.multidb.Tenant @Tenant}, a {@link io.multidb.UseSource @UseSource} or a
 * package says what can never work, or what would be ignored. Thrown when the bean is
 * made, which is at the start unless it is lazy.
 */
final class TargetMistakeException extends IllegalStateException {

	@Serial
	private static final long serialVersionUID = 1L;

	private final String mistake;

	private final String remedy;

	private final @Nullable String bearer;

	/**
	 * Creates the exception.
	 * @param mistake what is wrong and where, a sentence
	 * @param remedy what to do, whole sentences
	 */
	TargetMistakeException(String mistake, String remedy) {
		this(mistake, remedy, null);
	}

	/**
	 * Creates the exception.
	 * @param mistake what is wrong and where, a sentence
	 * @param remedy what to do, whole sentences
	 * @param cause what says so, or {@code null}
	 */
	TargetMistakeException(String mistake, String remedy, @Nullable Throwable cause) {
		this(mistake, remedy, null, cause);
	}

	private TargetMistakeException(String mistake, String remedy, @Nullable String bearer, @Nullable Throwable cause) {
		super(mistake + " " + remedy, cause);
		this.mistake = mistake;
		this.remedy = remedy;
		this.bearer = bearer;
	}

	/**
	 * The same of a bean's class, which may have inherited the mistake.
	 * @param type the class, or that of a repository's proxy
	 */
	TargetMistakeException of(Class<?> type) {
		String name = !Proxy.isProxyClass(type) ? type.getName()
				: Stream.of(type.getInterfaces())
					.filter((each) -> !TargetRules.isSprings(each))
					.map(Class::getName)
					.collect(Collectors.joining(", "));
		return new TargetMistakeException(this.mistake, this.remedy, name, getCause());
	}

	String mistake() {
		return this.mistake;
	}

	String remedy() {
		return this.remedy;
	}

	/** The bean's class, or the interfaces of one that is a proxy, if it is known. */
	@Nullable String bearer() {
		return this.bearer;
	}

}
