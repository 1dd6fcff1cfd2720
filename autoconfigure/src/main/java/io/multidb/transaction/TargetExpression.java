package io.multidb.transaction;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

import org.jspecify.annotations.Nullable;

import org.springframework.core.ParameterNameDiscoverer;
import org.springframework.core.StandardReflectionParameterNameDiscoverer;
import org.springframework.expression.EvaluationException;
import org.springframework.expression.ParseException;
import org.springframework.expression.spel.ExpressionState;
import org.springframework.expression.spel.SpelNode;
import org.springframework.expression.spel.ast.Assign;
import org.springframework.expression.spel.ast.BeanReference;
import org.springframework.expression.spel.ast.ConstructorReference;
import org.springframework.expression.spel.ast.Literal;
import org.springframework.expression.spel.ast.OpPlus;
import org.springframework.expression.spel.ast.TypeReference;
import org.springframework.expression.spel.ast.VariableReference;
import org.springframework.expression.spel.standard.SpelExpression;
import org.springframework.expression.spel.standard.SpelExpressionParser;
import org.springframework.expression.spel.support.SimpleEvaluationContext;

import io.multidb.InvalidTenantException;
import io.multidb.NoTenantException;

/**
 * The SpEL expression of an annotation on one method: parsed and checked once, evaluated
 * per call over the arguments alone. Immutable and thread-safe.
 * <p>
 * A null never becomes text: not as a variable, and not as an operand of {@code +}, which
 * SpEL would turn into "null".
 */
final class TargetExpression {

	private static final SpelExpressionParser PARSER = new SpelExpressionParser();

	private static final ParameterNameDiscoverer NAMES = new StandardReflectionParameterNameDiscoverer();

	private static final Set<String> NOT_ARGUMENTS = Set.of("this");

	private final String where;

	private final SpelExpression expression;

	/** The variables that the expression uses, and which argument each is. */
	private final Map<String, Integer> variables;

	/** What is joined with {@code +} and is neither a literal nor a variable. */
	private final List<SpelNode> operands = new ArrayList<>();

	/**
	 * Parses an expression.
	 * @param text the expression
	 * @param where the annotation and its place, for messages
	 * @param method the method whose arguments it sees
	 * @param annotated where the annotation stands: for its names of the arguments
	 * @throws IllegalStateException if it cannot be parsed, uses what is not allowed, or
	 * names an unknown argument
	 */
	TargetExpression(String text, String where, Method method, Method annotated) {
		this.where = where;
		try {
			this.expression = PARSER.parseRaw(text);
		}
		catch (ParseException ex) {
			throw new IllegalStateException(where + " is no SpEL expression: " + ex.getMessage(), ex);
		}
		Map<String, Integer> arguments = arguments(method);
		arguments.putAll(arguments(annotated));
		this.variables = new TreeMap<>();
		check(this.expression.getAST(), arguments);
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

	private void check(SpelNode node, Map<String, Integer> arguments) {
		if (node instanceof TypeReference || node instanceof BeanReference || node instanceof ConstructorReference
				|| node instanceof Assign) {
			throw new IllegalStateException(this.where + " uses '" + node.toStringAST()
					+ "': an expression may read the method's arguments, but name no types or beans, construct or assign.");
		}
		if (node instanceof VariableReference) {
			String name = node.toStringAST().substring(1);
			if (!NOT_ARGUMENTS.contains(name)) {
				Integer argument = arguments.get(name);
				if (argument == null) {
					throw new IllegalStateException(this.where + " uses '#" + name
							+ "', which is no argument of the method; known are " + known(arguments)
							+ ". Argument names are there only when the class is compiled with -parameters.");
				}
				this.variables.put(name, argument);
			}
		}
		for (int i = 0; i < node.getChildCount(); i++) {
			SpelNode child = node.getChild(i);
			if (node instanceof OpPlus
					&& !(child instanceof OpPlus || child instanceof Literal || child instanceof VariableReference)) {
				this.operands.add(child);
			}
			check(child, arguments);
		}
	}

	private static String known(Map<String, Integer> arguments) {
		return arguments.isEmpty() ? "none: it has no arguments"
				: arguments.keySet()
					.stream()
					.sorted()
					.map((name) -> "#" + name)
					.reduce((left, right) -> left + ", " + right)
					.orElse("");
	}

	/**
	 * Evaluates the expression.
	 * @param arguments the call's arguments
	 * @return the text, never null
	 * @throws NoTenantException if the result, or what it is made of, is null or cannot
	 * be evaluated
	 * @throws InvalidTenantException if the result is no text, number, UUID or enum
	 */
	String evaluate(@Nullable Object[] arguments) {
		SimpleEvaluationContext context = SimpleEvaluationContext.forReadOnlyDataBinding()
			.withInstanceMethods()
			.build();
		this.variables.forEach((name, argument) -> {
			Object value = arguments[argument];
			if (value == null) {
				throw new NoTenantException(this.where + ": '#" + name + "' is null, so there is no tenant.");
			}
			context.setVariable(name, value);
		});
		Object result;
		try {
			for (SpelNode operand : this.operands) {
				if (operand.getValue(new ExpressionState(context)) == null) {
					throw new NoTenantException(
							this.where + ": '" + operand.toStringAST() + "' is null, so there is no tenant.");
				}
			}
			result = this.expression.getValue(context);
		}
		catch (EvaluationException ex) {
			throw new NoTenantException(this.where + " cannot be evaluated: " + ex.getMessage());
		}
		return text(result);
	}

	private String text(@Nullable Object result) {
		if (result == null) {
			throw new NoTenantException(this.where + " is null for this call, so there is no tenant.");
		}
		if (result instanceof CharSequence || result instanceof Number || result instanceof UUID
				|| result instanceof Character) {
			return result.toString();
		}
		if (result instanceof Enum<?> constant) {
			return constant.name();
		}
		throw new InvalidTenantException(result.getClass().getName(), this.where
				+ " must give text, a number, a UUID or an enum constant, not a " + result.getClass().getName() + ".");
	}

}
