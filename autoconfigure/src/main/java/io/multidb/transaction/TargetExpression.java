package io.multidb.transaction;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.jspecify.annotations.Nullable;

import org.springframework.core.DefaultParameterNameDiscoverer;
import org.springframework.core.ParameterNameDiscoverer;
import org.springframework.core.convert.TypeDescriptor;
import org.springframework.expression.AccessException;
import org.springframework.expression.BeanResolver;
import org.springframework.expression.EvaluationContext;
import org.springframework.expression.EvaluationException;
import org.springframework.expression.MethodExecutor;
import org.springframework.expression.MethodResolver;
import org.springframework.expression.OperatorOverloader;
import org.springframework.expression.ParseException;
import org.springframework.expression.PropertyAccessor;
import org.springframework.expression.TypeComparator;
import org.springframework.expression.TypeConverter;
import org.springframework.expression.TypeLocator;
import org.springframework.expression.TypedValue;
import org.springframework.expression.spel.ExpressionState;
import org.springframework.expression.spel.SpelCompilerMode;
import org.springframework.expression.spel.SpelEvaluationException;
import org.springframework.expression.spel.SpelMessage;
import org.springframework.expression.spel.SpelNode;
import org.springframework.expression.spel.SpelParserConfiguration;
import org.springframework.expression.spel.ast.Assign;
import org.springframework.expression.spel.ast.BeanReference;
import org.springframework.expression.spel.ast.CompoundExpression;
import org.springframework.expression.spel.ast.ConstructorReference;
import org.springframework.expression.spel.ast.Elvis;
import org.springframework.expression.spel.ast.FunctionReference;
import org.springframework.expression.spel.ast.Indexer;
import org.springframework.expression.spel.ast.IntLiteral;
import org.springframework.expression.spel.ast.LongLiteral;
import org.springframework.expression.spel.ast.MethodReference;
import org.springframework.expression.spel.ast.OpDec;
import org.springframework.expression.spel.ast.OpInc;
import org.springframework.expression.spel.ast.OpPlus;
import org.springframework.expression.spel.ast.Projection;
import org.springframework.expression.spel.ast.PropertyOrFieldReference;
import org.springframework.expression.spel.ast.Selection;
import org.springframework.expression.spel.ast.Ternary;
import org.springframework.expression.spel.ast.TypeReference;
import org.springframework.expression.spel.ast.VariableReference;
import org.springframework.expression.spel.standard.SpelExpressionParser;
import org.springframework.expression.spel.support.DataBindingPropertyAccessor;
import org.springframework.expression.spel.support.ReflectiveMethodResolver;
import org.springframework.expression.spel.support.SimpleEvaluationContext;

import io.multidb.NoTenantException;

/**
 * The SpEL expression of an annotation on one method: parsed and checked once, evaluated
 * per call over the arguments alone. Immutable and thread-safe.
 * <p>
 * A null never becomes text, and neither does an object that has no text of its own. SpEL
 * joins both without asking, as "null" and as {@code Object.toString()} says; therefore
 * the outermost {@code +}, {@code ?:} and {@code a ? b : c} are evaluated here and SpEL
 * evaluates what stands between them, where joining text is refused.
 */
final class TargetExpression {

	/**
	 * Compiled expressions would join nulls, so a user's SpEL compiler mode is not ours.
	 */
	private static final SpelParserConfiguration INTERPRETED = new SpelParserConfiguration(SpelCompilerMode.OFF, null);

	private static final ParameterNameDiscoverer NAMES = new DefaultParameterNameDiscoverer();

	private static final Set<Class<?>> WHOLE_NUMBERS = Set.of(Byte.class, Short.class, Integer.class, Long.class,
			BigInteger.class);

	private static final Set<SpelMessage> SOMETHING_IS_NULL = Set.of(SpelMessage.PROPERTY_OR_FIELD_NOT_READABLE_ON_NULL,
			SpelMessage.METHOD_CALL_ON_NULL_OBJECT_NOT_ALLOWED, SpelMessage.CANNOT_INDEX_INTO_NULL_VALUE);

	private final String where;

	/** Without its class, for messages. */
	private final String method;

	private final SpelNode root;

	/** Which argument each variable is. */
	private final Map<String, Integer> variables;

	/**
	 * What all evaluations share. It has no variables, and is one per expression because
	 * it remembers the classes it has met.
	 */
	private final EvaluationContext readOnly = SimpleEvaluationContext
		.forPropertyAccessors(DataBindingPropertyAccessor.forReadOnlyAccess())
		.withAssignmentDisabled()
		.withMethodResolvers(new InstanceMethods())
		.build();

	/**
	 * Parses an expression.
	 * @param text the expression
	 * @param where the annotation and its place, for messages
	 * @param method the method whose arguments it sees
	 * @param annotated where the annotation stands: for its names of the arguments
	 * @throws TargetMistakeException if it cannot be parsed, uses what is not allowed, or
	 * names an unknown argument
	 */
	TargetExpression(String text, String where, Method method, Method annotated) {
		this.where = where;
		this.method = method.getName() + Stream.of(method.getParameterTypes())
			.map(Class::getSimpleName)
			.collect(Collectors.joining(", ", "(", ")"));
		if (text.contains("${")) {
			throw new TargetMistakeException(
					where + " has a placeholder ${…} inside an expression, where it is not resolved.",
					"Use it in a constant, or pass the value as an argument.");
		}
		try {
			this.root = new SpelExpressionParser(INTERPRETED).parseRaw(text).getAST();
		}
		catch (ParseException | IllegalStateException ex) {
			throw new TargetMistakeException(where + " is no SpEL expression: " + ex.getMessage(),
					"Put text into quotes and a # before an argument, as in 'election-' + #id.", ex);
		}
		this.variables = arguments(method);
		this.variables.putAll(arguments(annotated));
		check(this.root, true, false);
	}

	private static Map<String, Integer> arguments(Method method) {
		Map<String, Integer> arguments = new HashMap<>();
		for (int i = 0; i < method.getParameterCount(); i++) {
			arguments.put("p" + i, i);
			arguments.put("a" + i, i);
		}
		@Nullable String[] names = NAMES.getParameterNames(method);
		for (int i = 0; names != null && i < names.length; i++) {
			String name = names[i];
			if (name != null) {
				arguments.put(name, i);
			}
		}
		return arguments;
	}

	/**
	 * Refuses what can never work.
	 * @param node the node and all below it
	 * @param outermost whether {@link #evaluate(SpelNode, ExpressionState)} evaluates it
	 * @param hasSubject whether it is asked of what stands before it
	 */
	private void check(SpelNode node, boolean outermost, boolean hasSubject) {
		if (node instanceof TypeReference || node instanceof BeanReference || node instanceof ConstructorReference
				|| node instanceof Assign || node instanceof OpInc || node instanceof OpDec
				|| node instanceof FunctionReference || node instanceof Selection || node instanceof Projection) {
			throw new TargetMistakeException(this.where + " uses '" + node.toStringAST()
					+ "': an expression may read the method's arguments, but name no types, beans or functions, construct,"
					+ " assign, select or project.",
					"Do that in a method of the argument, or enter the tenant in the body with TenantContext.");
		}
		if (node instanceof VariableReference) {
			checkArgument(node.toStringAST().substring(1));
		}
		if (!hasSubject && (node instanceof PropertyOrFieldReference || node instanceof MethodReference
				|| node instanceof Indexer)) {
			throw new TargetMistakeException(
					this.where + " uses '" + node.toStringAST() + "', which belongs to nothing.",
					"Put text into quotes and a # before an argument, as in 'election-' + #id.");
		}
		if (node instanceof OpPlus && !outermost && joinsText(node)) {
			throw new TargetMistakeException(
					this.where + " joins '" + node.toStringAST()
							+ "' inside of something else, where a null could become text.",
					"Use + for text at the outermost level only, or do it in a method of the argument.");
		}
		for (int i = 0; i < node.getChildCount(); i++) {
			SpelNode child = node.getChild(i);
			// SpEL reads [key] like ['key']
			boolean key = node instanceof Indexer && child instanceof PropertyOrFieldReference;
			boolean chained = node instanceof CompoundExpression && i > 0;
			check(child, outermost && isOurs(node) && !isCondition(node, i), key || chained);
		}
	}

	private void checkArgument(String name) {
		if (name.equals("this") || name.equals("root") || !this.variables.containsKey(name)) {
			String known = this.variables.isEmpty() ? "it has none"
					: "its arguments are #" + String.join(", #", new TreeSet<>(this.variables.keySet()));
			throw new TargetMistakeException(
					this.where + " uses '#" + name + "', which is no argument of " + this.method + "; " + known + ".",
					this.variables.isEmpty()
							? "Put the annotation on a method that has such an argument, or write a constant."
							: "Correct the name. Names are known only when the class is compiled with -parameters; without, use #a0"
									+ " for the first argument.");
		}
	}

	/** With a number's literal it adds, or fails. */
	private static boolean joinsText(SpelNode plus) {
		for (int i = 0; i < plus.getChildCount(); i++) {
			if (plus.getChild(i) instanceof IntLiteral || plus.getChild(i) instanceof LongLiteral) {
				return false;
			}
		}
		return plus.getChildCount() > 1;
	}

	private static boolean isOurs(SpelNode node) {
		return (node instanceof OpPlus && node.getChildCount() == 2) || node instanceof Ternary
				|| node instanceof Elvis;
	}

	private static boolean isCondition(SpelNode node, int child) {
		return node instanceof Ternary && child == 0;
	}

	/**
	 * Evaluates the expression.
	 * @param arguments the call's arguments
	 * @return the text, never null
	 * @throws NoTenantException if the result, or something that it is made of, is null
	 * @throws IllegalStateException if it cannot be evaluated on these arguments, or if
	 * the result, or something that is joined, is neither text, a whole number, a UUID
	 * nor an enum constant
	 */
	String evaluate(@Nullable Object[] arguments) {
		ExpressionState state = new ExpressionState(new Call(arguments), TypedValue.NULL, INTERPRETED);
		try {
			return text(evaluate(this.root, state), this.root);
		}
		catch (SpelEvaluationException ex) {
			if (SOMETHING_IS_NULL.contains(ex.getMessageCode())) {
				throw new NoTenantException(this.where + " met a null, so there is no tenant: " + ex.getMessage());
			}
			throw failed(ex);
		}
		catch (EvaluationException ex) {
			throw failed(ex);
		}
	}

	private IllegalStateException failed(EvaluationException ex) {
		return new IllegalStateException(this.where + " cannot be evaluated: " + ex.getMessage(), ex);
	}

	private @Nullable Object evaluate(SpelNode node, ExpressionState state) {
		if (!isOurs(node)) {
			return node.getValue(state);
		}
		if (node instanceof OpPlus) {
			return join(node, state);
		}
		if (node instanceof Ternary) {
			Object condition = node.getChild(0).getValue(state);
			if (!(condition instanceof Boolean yes)) {
				throw new IllegalStateException(this.where + ": the condition '" + node.getChild(0).toStringAST()
						+ "' is neither true nor false.");
			}
			return evaluate(node.getChild(yes ? 1 : 2), state);
		}
		Object value = evaluate(node.getChild(0), state);
		value = (value instanceof Optional<?> optional) ? optional.orElse(null) : value;
		return (value == null || value.equals("")) ? evaluate(node.getChild(1), state) : value;
	}

	/** Two whole numbers are added, as in SpEL; everything else is joined. */
	private Object join(SpelNode plus, ExpressionState state) {
		SpelNode leftNode = plus.getChild(0);
		SpelNode rightNode = plus.getChild(1);
		Object left = evaluate(leftNode, state);
		String leftText = text(left, leftNode);
		Object right = evaluate(rightNode, state);
		String rightText = text(right, rightNode);
		return (left instanceof Number && right instanceof Number)
				? new BigInteger(leftText).add(new BigInteger(rightText)) : leftText.concat(rightText);
	}

	private String text(@Nullable Object value, SpelNode node) {
		if (value instanceof String text) {
			return text;
		}
		if (value == null) {
			throw new NoTenantException(
					this.where + ": '" + node.toStringAST() + "' is null for this call, so there is no tenant.");
		}
		if (value instanceof CharSequence || value instanceof UUID || value instanceof Character
				|| WHOLE_NUMBERS.contains(value.getClass())) {
			return value.toString();
		}
		if (value instanceof Enum<?> constant) {
			return constant.name();
		}
		throw new IllegalStateException(this.where + ": '" + node.toStringAST()
				+ "' must be text, a whole number, a UUID or an enum constant, not a " + value.getClass().getName()
				+ ".");
	}

	/**
	 * One evaluation: the arguments are the variables, and nothing can be written. Made
	 * anew for each call, because copying arguments into a map costs more.
	 */
	private final class Call implements EvaluationContext {

		private final @Nullable Object[] arguments;

		Call(@Nullable Object[] arguments) {
			this.arguments = arguments;
		}

		@Override
		public Object lookupVariable(String name) {
			Integer argument = TargetExpression.this.variables.get(name);
			Object value = (argument != null) ? this.arguments[argument] : null;
			if (value == null) {
				throw new NoTenantException(
						TargetExpression.this.where + ": '#" + name + "' is null, so there is no tenant.");
			}
			return value;
		}

		@Override
		public void setVariable(String name, @Nullable Object value) {
			throw new SpelEvaluationException(SpelMessage.VARIABLE_ASSIGNMENT_NOT_SUPPORTED, "#" + name);
		}

		@Override
		public boolean isAssignmentEnabled() {
			return false;
		}

		@Override
		public boolean isCompilationSupported() {
			return false;
		}

		@Override
		public TypedValue getRootObject() {
			return TypedValue.NULL;
		}

		@Override
		public List<PropertyAccessor> getPropertyAccessors() {
			return TargetExpression.this.readOnly.getPropertyAccessors();
		}

		@Override
		public List<MethodResolver> getMethodResolvers() {
			return TargetExpression.this.readOnly.getMethodResolvers();
		}

		@Override
		public @Nullable BeanResolver getBeanResolver() {
			return null;
		}

		@Override
		public TypeLocator getTypeLocator() {
			return TargetExpression.this.readOnly.getTypeLocator();
		}

		@Override
		public TypeConverter getTypeConverter() {
			return TargetExpression.this.readOnly.getTypeConverter();
		}

		@Override
		public TypeComparator getTypeComparator() {
			return TargetExpression.this.readOnly.getTypeComparator();
		}

		@Override
		public OperatorOverloader getOperatorOverloader() {
			return TargetExpression.this.readOnly.getOperatorOverloader();
		}

	}

	/**
	 * What {@link org.springframework.expression.spel.support.DataBindingMethodResolver}
	 * allows (instance methods, none of classes and class loaders), and no null is handed
	 * in: {@code 'election-%s'.formatted(#user.election)} would make it text.
	 */
	private final class InstanceMethods extends ReflectiveMethodResolver {

		@Override
		public @Nullable MethodExecutor resolve(EvaluationContext context, Object target, String name,
				List<TypeDescriptor> argumentTypes) throws AccessException {
			if (target instanceof Class) {
				return null;
			}
			MethodExecutor method = super.resolve(context, target, name, argumentTypes);
			return (method != null) ? (call, object, arguments) -> {
				for (Object argument : arguments) {
					if (argument == null) {
						throw new NoTenantException(TargetExpression.this.where + ": an argument of '" + name
								+ "' is null, so there is no tenant.");
					}
				}
				return method.execute(call, object, arguments);
			} : null;
		}

		@Override
		protected boolean isCandidateForInvocation(Method method, Class<?> targetClass) {
			Class<?> type = method.getDeclaringClass();
			return !Modifier.isStatic(method.getModifiers()) && type != Object.class && type != Class.class
					&& !ClassLoader.class.isAssignableFrom(targetClass);
		}

	}

}
