package io.multidb.transaction;

import java.io.IOException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.CharBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

import javax.tools.ToolProvider;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import io.multidb.NoTenantException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * Tests for {@link TargetExpression}.
 */
class TargetExpressionTests {

	@Test
	void argumentIsReadByItsName() {
		assertThat(evaluate("'election-' + #id", 42L)).isEqualTo("election-42");
	}

	@ParameterizedTest
	@ValueSource(strings = { "'election-' + #p0", "'election-' + #a0", "'election-'+#id", "'election-' + (#id)",
			"('election' + '-') + #id", "'election' + ('-' + #id)", "\"election-\" + #id",
			"#id != null ? 'election-' + #id : 'x'" })
	void argumentIsReadByItsPosition(String expression) {
		assertThat(evaluate(expression, 42L)).isEqualTo("election-42");
	}

	@Test
	void secondArgumentIsReadByNameAndPosition() throws Exception {
		Method method = Methods.class.getDeclaredMethod("two", String.class, String.class);
		assertThat(expression("#first + '-' + #p1", method).evaluate(new Object[] { "a", "b" })).isEqualTo("a-b");
		assertThat(expression("#second + '-' + #a0", method).evaluate(new Object[] { "a", "b" })).isEqualTo("b-a");
	}

	@Test
	void varargsAreAnArray() throws Exception {
		Method method = Methods.class.getDeclaredMethod("many", String[].class);
		TargetExpression expression = expression("'t-' + #ids[1]", method);
		assertThat(expression.evaluate(new Object[] { new String[] { "a", "b" } })).isEqualTo("t-b");
		assertThatIllegalStateException().isThrownBy(() -> expression.evaluate(new Object[] { new String[0] }))
			.withMessageContaining("cannot be evaluated");
	}

	@Test
	void recordsAndBeansAreReadByPropertyAndByMethod() {
		assertThat(evaluate("'t-' + #id.name", new User("ada", null))).isEqualTo("t-ada");
		assertThat(evaluate("'t-' + #id.name()", new User("ada", null))).isEqualTo("t-ada");
		assertThat(evaluate("#id.friend.name + '-x'", new User("ada", new User("bob", null)))).isEqualTo("bob-x");
		assertThat(evaluate("'t-' + #id.id", new Bean())).isEqualTo("t-7");
		assertThat(evaluate("'t-' + #id.getId()", new Bean())).isEqualTo("t-7");
		assertThat(evaluate("#id['region'] + '-' + #id[region]", Map.of("region", "eu"))).isEqualTo("eu-eu");
	}

	@Test
	void textNumbersUuidsCharactersAndEnumsAreTaken() {
		UUID uuid = UUID.randomUUID();
		for (Object each : new Object[] { "x", CharBuffer.wrap("x"), 'x', (byte) 1, (short) 1, 1, 1L, BigInteger.ONE,
				uuid }) {
			assertThat(evaluate("#id", each)).isEqualTo(each.toString());
			assertThat(evaluate("'t-' + #id", each)).isEqualTo("t-" + each);
			assertThat(evaluate("#id + '-t'", each)).isEqualTo(each + "-t");
		}
		assertThat(evaluate("#id", Region.EU)).isEqualTo("EU");
		assertThat(evaluate("'t-' + #id", Region.EU)).isEqualTo("t-EU");
	}

	@Test
	void objectsWithoutATextOfTheirOwnAreRefusedAloneAndJoined() {
		for (Object each : new Object[] { new Object(), new User("ada", null), List.of("a"), new String[] { "a" },
				Optional.of("a"), true, 1.0, new BigDecimal("1E+3"), URI.create("a:b"), new AtomicInteger(1) }) {
			for (String expression : new String[] { "#id", "'t-' + #id", "#id + '-t'", "('t-' + #id) + '-x'",
					"#id != 'x' ? 't-' + #id : 'x'" }) {
				assertThatIllegalStateException().as("%s of %s", expression, each)
					.isThrownBy(() -> evaluate(expression, each))
					.withMessageContaining(each.getClass().getName());
			}
		}
	}

	@Test
	void wholeNumbersAreAddedAsSpelDoes() {
		assertThat(evaluate("'shard-' + (#id + 1)", 41)).isEqualTo("shard-42");
		assertThat(evaluate("'shard-' + (#id % 4)", 42)).isEqualTo("shard-2");
		assertThat(evaluate("'shard-' + ((#id + 1) % 4)", 42)).isEqualTo("shard-3");
		assertThat(evaluate("#id + #id", Long.MAX_VALUE)).isEqualTo("18446744073709551614");
	}

	@Test
	void defaultOfAnAbsentPropertyMayBeGiven() {
		assertThat(evaluate("#id.friend?.name ?: 'nobody'", new User("ada", null))).isEqualTo("nobody");
		assertThat(evaluate("'t-' + (#id.friend?.name ?: 'nobody')", new User("ada", null))).isEqualTo("t-nobody");
		assertThat(evaluate("#id.friend != null ? 't-' + #id.friend.name : 'none'", new User("ada", null)))
			.isEqualTo("none");
	}

	@ParameterizedTest
	@ValueSource(strings = { "#id", "#p0", "'t-' + #id", "#id + '-t'", "'a' + ('b' + #id)", "#id + #id",
			"true ? 't-' + #id : 'x'", "#id ?: 'main'", "#id?.name", "#id.name", "'t-' + #id.name()", "#id[0]",
			"'t-%s'.formatted(#id)", "#id == null ? 'x' : 'y'" })
	void nullArgumentIsNoTenant(String expression) {
		assertThatExceptionOfType(NoTenantException.class).isThrownBy(() -> evaluate(expression, (Object) null))
			.withMessageContaining("is null");
	}

	@ParameterizedTest
	@ValueSource(strings = { "#id.friend", "'t-' + #id.friend", "#id.friend + 't-'", "('t-' + #id.friend)",
			"'a' + ('b' + (#id.friend + 'c'))", "'t-' + #id.friend.name", "'t-' + #id.friend?.name",
			"'t-' + #id.friend()", "'t-' + #id.friend().name()", "'t-' + #id.friend[0]",
			"#id.name == 'ada' ? 't-' + #id.friend : 'x'", "#id.name == 'bob' ? 'x' : 'y' + #id.friend",
			"'t-' + (#id.name == 'ada' ? #id.friend : 'x')", "'t-' + (#id.friend ?: null)", "'t-' + null + #id.name",
			"#id.friend ?: ('t-' + #id.friend)", "'t-%s'.formatted(#id.friend)", "'t-' + 'a'.concat(#id.friend)",
			"'t-' + {1: #id.friend}[2]" })
	void nullAnywhereIsNoTenant(String expression) {
		assertThatExceptionOfType(NoTenantException.class).isThrownBy(() -> evaluate(expression, new User("ada", null)))
			.withMessageContaining("null");
	}

	@Test
	void nullElementsAreNoTenant() {
		assertThatExceptionOfType(NoTenantException.class)
			.isThrownBy(() -> evaluate("'t-' + #id[0]", Arrays.asList(null, "b")));
		assertThatExceptionOfType(NoTenantException.class)
			.isThrownBy(() -> evaluate("'t-' + #id['missing']", Map.of("a", "b")));
		assertThatExceptionOfType(NoTenantException.class)
			.isThrownBy(() -> evaluate("'t-' + #id[0]", (Object) new String[1]));
	}

	@ParameterizedTest
	@ValueSource(strings = { "#id['k-' + #id.size()]", "'t-'.concat('x' + #id)", "('t-' + #id).trim()",
			"('t-' + #id) == 'x' ? 'a' : 'b'", "#id.get('a' + 'b')", "#id + 1 + #id == 'x' ? 'a' : 'b'" })
	void textJoinedWhereANullWouldNotBeSeenFailsTheStart(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> expression(expression))
			.withMessageContaining("outermost level");
	}

	@Test
	void operandsAreEvaluatedOnce() {
		Counter counter = new Counter();
		assertThat(evaluate("'t-' + #id.next() + '-' + #id.next()", counter)).isEqualTo("t-1-2");
	}

	@Test
	void branchThatIsNotTakenIsNotEvaluated() {
		Counter counter = new Counter();
		assertThat(evaluate("#id.next() > 0 ? 'a' : 'b' + #id.next()", counter)).isEqualTo("a");
		assertThat(counter.count).isEqualTo(1);
	}

	@ParameterizedTest
	@ValueSource(strings = { "T(java.lang.Runtime).getRuntime().exec('x' + #id)", "T(String).valueOf(#id)",
			"@bean.x(#id)", "&bean + #id", "new java.io.File(#id).delete()", "#id = 'x'", "#id.name = 'x'", "#id++",
			"--#id", "#id('x')", "#id.?[true]", "#id.![name]", "#id.^[true]", "{#id.![T(System).exit(1)]}",
			"'a' + T(System).exit(1) + #id", "#id instanceof T(String)", "new String[]{#id}",
			"#id == 1 ? T(System).exit(1) : 'x'" })
	void whatReachesBeyondTheArgumentsFailsTheStart(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> expression(expression)).withMessageContaining("may read");
	}

	@ParameterizedTest
	@ValueSource(strings = { "#id.class", "#id.class.name", "#id.getClass()", "#id.getClass().getName()",
			"#id.class.classLoader", "#id.getClass().forName('java.lang.Runtime')", "#id.hashCode()", "#id.notify()" })
	void classesAreOutOfReach(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> evaluate(expression, new Bean()))
			.withMessageContaining("cannot be evaluated");
	}

	@ParameterizedTest
	@ValueSource(strings = { "#id.name", "#id.forName('java.lang.Runtime')", "#id.getName()", "#id.newInstance()",
			"#id.classLoader", "#id.module" })
	void argumentThatIsAClassGivesNothing(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> evaluate(expression, (Object) Bean.class));
	}

	@ParameterizedTest
	@ValueSource(strings = { "#id.parent", "#id.loadClass('java.lang.Runtime')", "#id.getResource('x')" })
	void argumentThatIsAClassLoaderGivesNothing(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> evaluate(expression, (Object) getClass().getClassLoader()));
	}

	@Test
	void unknownVariableFailsTheStartAndNamesTheKnown() {
		assertThatIllegalStateException().isThrownBy(() -> expression("'t-' + #uid"))
			.withMessageContainingAll("here uses '#uid'", "its arguments are #a0, #id, #p0");
	}

	@ParameterizedTest
	@ValueSource(strings = { "'t-' + #this", "'t-' + #root", "#this.name + #id", "#environment" })
	void variableThatIsNoArgumentFailsTheStart(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> expression(expression))
			.withMessageContaining("no argument of one(Object)");
	}

	@Test
	void variableOfAMethodWithoutArgumentsFailsTheStart() throws Exception {
		Method method = Methods.class.getDeclaredMethod("none");
		assertThatIllegalStateException().isThrownBy(() -> expression("#id", method))
			.withMessageContaining("it has none");
	}

	@ParameterizedTest
	@ValueSource(strings = { "election-#id", "election + #id", "'t-' + #id + name", "tenantOf(#id)", "[0] + #id" })
	void textWithoutQuotesFailsTheStart(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> expression(expression))
			.withMessageContaining("Put text into quotes");
	}

	@ParameterizedTest
	@ValueSource(strings = { "#", "'t-' + #id +", "'t- + #id", "(#id", "#id)", "#{id}", "#id #id", "#id.", "#1" })
	void whatCannotBeParsedFailsTheStart(String expression) {
		assertThatIllegalStateException().isThrownBy(() -> expression(expression))
			.withMessageContaining("here is no SpEL expression");
	}

	@Test
	void placeholderInAnExpressionFailsTheStart() {
		assertThatIllegalStateException().isThrownBy(() -> expression("'${app.prefix}-' + #id"))
			.withMessageContaining("Use it in a constant");
	}

	@Test
	void emptyTextIsLeftToTheRuleForTenantIds() {
		assertThat(evaluate("#id", "")).isEmpty();
	}

	@Test
	void missingPropertySaysSo() {
		assertThatIllegalStateException().isThrownBy(() -> evaluate("'t-' + #id.nmae", new User("ada", null)))
			.withMessageContainingAll("here cannot be evaluated", "nmae")
			.withCauseInstanceOf(Exception.class);
	}

	@Test
	void exceptionOfAMethodComesThrough() {
		assertThatExceptionOfType(SecurityException.class).isThrownBy(() -> evaluate("'t-' + #id.denied()", new Bean()))
			.withMessage("denied");
	}

	@Test
	void checkedExceptionOfAMethodIsTheCause() {
		assertThatIllegalStateException().isThrownBy(() -> evaluate("'t-' + #id.broken()", new Bean()))
			.havingRootCause()
			.isInstanceOf(IOException.class)
			.withMessage("disk");
	}

	@Test
	void exceptionOfAGetterIsTheCause() {
		assertThatIllegalStateException().isThrownBy(() -> evaluate("'t-' + #id.failing", new Bean()))
			.havingRootCause()
			.withMessage("getter");
	}

	@Test
	void classCompiledWithoutParametersNeedsPositions(@TempDir Path directory) throws Exception {
		Path source = directory.resolve("Nameless.java");
		Files.writeString(source, "public class Nameless { public void vote(Long id) { } }");
		assertThat(
				ToolProvider.getSystemJavaCompiler().run(null, null, null, "-proc:none", "-g:none", source.toString()))
			.isZero();
		try (URLClassLoader loader = new URLClassLoader(new URL[] { directory.toUri().toURL() })) {
			Method method = loader.loadClass("Nameless").getMethod("vote", Long.class);
			assertThatIllegalStateException().isThrownBy(() -> expression("'election-' + #id", method))
				.withMessageContainingAll("'#id'", "-parameters", "#a0");
			assertThat(expression("'election-' + #a0", method).evaluate(new Object[] { 42L })).isEqualTo("election-42");
		}
	}

	@Test
	void namesOfTheAnnotatedMethodCountBesideThoseOfTheImplementation() throws Exception {
		Method method = Methods.class.getDeclaredMethod("two", String.class, String.class);
		Method annotated = Swapped.class.getDeclaredMethod("two", String.class, String.class);
		// Swapped names its first argument "second"; where the annotation stands, its
		// names count.
		assertThat(new TargetExpression("#second + '-' + #first", "here", method, annotated)
			.evaluate(new Object[] { "a", "b" })).isEqualTo("a-b");
	}

	@Test
	void threadsShareAnExpression() throws Exception {
		TargetExpression shared = expression("'t-' + #id.name + (#id.friend?.name ?: '') + '-' + #id.name()");
		int threads = 8;
		CyclicBarrier barrier = new CyclicBarrier(threads);
		ExecutorService pool = Executors.newFixedThreadPool(threads);
		try {
			List<Future<Integer>> wrong = new ArrayList<>();
			for (int t = 0; t < threads; t++) {
				int thread = t;
				wrong.add(pool.submit(() -> {
					int count = 0;
					barrier.await();
					for (int i = 0; i < 5_000; i++) {
						String name = thread + "x" + i;
						Object user = (i % 2 == 0) ? new User(name, null) : new OtherUser(name);
						count += shared.evaluate(new Object[] { user }).equals("t-" + name + "-" + name) ? 0 : 1;
					}
					return count;
				}));
			}
			for (Future<Integer> each : wrong) {
				assertThat(each.get()).isZero();
			}
		}
		finally {
			pool.shutdownNow();
		}
	}

	private static String evaluate(String expression, @Nullable Object argument) {
		return expression(expression).evaluate(new Object[] { argument });
	}

	private static TargetExpression expression(String text) {
		try {
			return expression(text, Methods.class.getDeclaredMethod("one", Object.class));
		}
		catch (NoSuchMethodException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private static TargetExpression expression(String text, Method method) {
		return new TargetExpression(text, "here", method, method);
	}

	interface Methods {

		void none();

		void one(Object id);

		void two(String first, String second);

		void many(String... ids);

	}

	interface Swapped {

		void two(String second, String first);

	}

	enum Region {

		EU {
			@Override
			public String toString() {
				return "Europe!";
			}
		}

	}

	public record User(String name, @Nullable User friend) {
	}

	public record OtherUser(String name) {

		public @Nullable User friend() {
			return null;
		}

	}

	public static class Bean {

		public Long getId() {
			return 7L;
		}

		public String denied() {
			throw new SecurityException("denied");
		}

		public String broken() throws IOException {
			throw new IOException("disk");
		}

		public String getFailing() {
			throw new IllegalArgumentException("getter");
		}

	}

	public static class Counter {

		private int count;

		public int next() {
			return ++this.count;
		}

	}

}
