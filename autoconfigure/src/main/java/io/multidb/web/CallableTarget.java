package io.multidb.web;

import java.util.concurrent.Callable;

import org.jspecify.annotations.Nullable;

import org.springframework.web.context.request.NativeWebRequest;
import org.springframework.web.context.request.async.CallableProcessingInterceptor;

import io.multidb.Scope;
import io.multidb.Target;
import io.multidb.access.TaskUser;

/**
 * Takes the target and the user to the thread on which a controller's {@code Callable} or
 * {@code StreamingResponseBody} runs, whatever executor that is of. One per request; its
 * methods are called one after another.
 */
final class CallableTarget implements CallableProcessingInterceptor {

	private Target target = Target.current();

	private TaskUser user = TaskUser.current();

	private @Nullable Scope scope;

	private TaskUser.@Nullable Span span;

	@Override
	public <T> void beforeConcurrentHandling(NativeWebRequest request, Callable<T> task) {
		this.target = Target.current();
		this.user = TaskUser.current();
	}

	@Override
	public <T> void preProcess(NativeWebRequest request, Callable<T> task) {
		// Either may fail, and what was begun by then nobody else would end.
		TaskUser.Span entered = this.user.enter();
		try {
			this.scope = this.target.enter();
		}
		catch (RuntimeException ex) {
			entered.close();
			throw ex;
		}
		this.span = entered;
	}

	@Override
	public <T> void postProcess(NativeWebRequest request, Callable<T> task, @Nullable Object concurrentResult) {
		if (this.span != null) {
			this.span.close();
		}
		if (this.scope != null) {
			this.scope.close();
		}
	}

}
