package io.multidb.web;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;

import org.junit.jupiter.api.Test;

import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.web.context.request.NativeWebRequest;
import org.springframework.web.context.request.ServletWebRequest;

import io.multidb.SwitchGuard;
import io.multidb.Target;
import io.multidb.TenantContext;
import io.multidb.access.Access;
import io.multidb.access.AccessListener;
import io.multidb.access.TaskUser;
import io.multidb.access.UserContext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * Tests for {@link CallableTarget} where it cannot begin. Spring tells those that have
 * begun of the end, and no other.
 */
class CallableTargetTests {

	private final NativeWebRequest request = new ServletWebRequest(new MockHttpServletRequest());

	private final Callable<String> task = () -> "";

	@Test
	void aUserWhoCannotBeToldLeavesNoTarget() {
		AtomicBoolean down = new AtomicBoolean();
		try (Access access = new Access(List::of, () -> {
			if (down.get()) {
				throw new IllegalStateException("Its session store is down");
			}
			return null;
		}, AccessListener.NONE)) {
			assertThat(access.user()).isNull();
			CallableTarget callable = TenantContext.call("lisbon", CallableTarget::new);
			down.set(true);
			assertThatIllegalStateException().isThrownBy(() -> callable.preProcess(this.request, this.task));
			assertThat(Target.current()).isSameAs(Target.none());
		}
	}

	@Test
	void aTargetThatIsRefusedLeavesNoUser() {
		TaskUser nobody = TaskUser.current();
		CallableTarget callable = UserContext.call("ada", CallableTarget::new);
		SwitchGuard refusing = (from, to, leaving) -> {
			throw new IllegalStateException("refused");
		};
		try (SwitchGuard.Registration registration = SwitchGuard.register(refusing)) {
			assertThatIllegalStateException().isThrownBy(() -> callable.preProcess(this.request, this.task));
		}
		assertThat(TaskUser.current()).isEqualTo(nobody);
	}

}
