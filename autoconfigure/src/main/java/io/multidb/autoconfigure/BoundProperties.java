package io.multidb.autoconfigure;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.bind.BindContext;
import org.springframework.boot.context.properties.bind.BindHandler;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.bind.PropertySourcesPlaceholdersResolver;
import org.springframework.boot.context.properties.bind.UnboundConfigurationPropertiesException;
import org.springframework.boot.context.properties.bind.handler.NoUnboundElementsBindHandler;
import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName.Form;
import org.springframework.boot.context.properties.source.ConfigurationPropertySource;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.boot.origin.Origin;
import org.springframework.boot.origin.PropertySourceOrigin;
import org.springframework.boot.origin.SystemEnvironmentOrigin;
import org.springframework.core.env.Environment;
import org.springframework.core.env.SystemEnvironmentPropertySource;
import org.springframework.util.ClassUtils;

/**
 * {@code app.datasources} and {@code app.tenancy} as they were written: bound, with every
 * key and value that could not be bound among the mistakes, and with what Boot's binder
 * does not tell, how a name was written and where. No mistake quotes a value that may be
 * secret.
 */
final class BoundProperties {

	private static final ConfigurationPropertyName DATASOURCES = ConfigurationPropertyName.of("app.datasources");

	private static final ConfigurationPropertyName TENANCY = ConfigurationPropertyName.of("app.tenancy");

	/** Where the name of a source stands in a property's name. */
	private static final int SOURCE_NAME = DATASOURCES.getNumberOfElements();

	private final Collection<String> mistakes;

	private final Map<String, SourceProperties> sources;

	private final TenancyProperties tenancy;

	private final Set<String> declaredNames;

	/** Where each source's URL, or else anything of it, was found. */
	private final Map<String, Found> origins = new HashMap<>();

	/** Names that were written in brackets, and so exactly as they are. */
	private final Set<String> bracketed = new HashSet<>();

	/**
	 * Reads.
	 * @param sources the configuration, and what else is read like it, in order
	 * @param environment resolves placeholders
	 * @param mistakes where mistakes go
	 */
	BoundProperties(List<ConfigurationPropertySource> sources, Environment environment, Collection<String> mistakes) {
		this.mistakes = mistakes;
		for (ConfigurationPropertySource source : sources) {
			if (source instanceof IterableConfigurationPropertySource iterable) {
				iterable.forEach((name) -> scan(iterable, name));
			}
		}
		Binder binder = new Binder(sources, new PropertySourcesPlaceholdersResolver(environment));
		this.declaredNames = new TreeSet<>(declaredNames(sources));
		CollectingHandler handler = new CollectingHandler();
		Bindable<Map<String, SourceProperties>> map = Bindable.mapOf(String.class, SourceProperties.class);
		this.sources = new TreeMap<>(binder.bind(DATASOURCES, map, handler).orElseGet(Map::of));
		this.tenancy = binder.bindOrCreate(TENANCY, Bindable.of(TenancyProperties.class), handler);
		handler.unknown.forEach(this::refuseUnknown);
	}

	/** The sources and templates that could be bound, sorted by name. */
	Map<String, SourceProperties> sources() {
		return this.sources;
	}

	TenancyProperties tenancy() {
		return this.tenancy;
	}

	/** All names of sources and templates, also of those that could not be bound. */
	Set<String> declaredNames() {
		return this.declaredNames;
	}

	/** What an environment declares, for conditions. */
	static Set<String> declaredNames(Environment environment) {
		return declaredNames(ConfigurationPropertySources.get(environment));
	}

	/**
	 * The names as a map of them would have them. To bind such a map, Boot goes through
	 * all properties again for each of its entries.
	 */
	static Set<String> declaredNames(Iterable<ConfigurationPropertySource> sources) {
		Set<String> names = new LinkedHashSet<>();
		for (ConfigurationPropertySource source : sources) {
			if (source instanceof IterableConfigurationPropertySource iterable) {
				iterable.stream()
					.filter(DATASOURCES::isAncestorOf)
					.forEach((name) -> names.add(name.getElement(SOURCE_NAME, Form.ORIGINAL)));
			}
		}
		return names;
	}

	@Nullable Origin origin(String source) {
		Found found = this.origins.get(source);
		return (found != null) ? found.origin() : null;
	}

	boolean isBracketed(String source) {
		return this.bracketed.contains(source);
	}

	/** A later source of properties is overridden by an earlier one. */
	private void scan(IterableConfigurationPropertySource source, ConfigurationPropertyName name) {
		if (!DATASOURCES.isAncestorOf(name)) {
			return;
		}
		String sourceName = name.getElement(SOURCE_NAME, Form.ORIGINAL);
		if (name.chop(SOURCE_NAME + 1).isLastElementIndexed()) {
			this.bracketed.add(sourceName);
		}
		ConfigurationProperty property = source.getConfigurationProperty(name);
		if (property != null && property.getOrigin() != null) {
			boolean url = name.getNumberOfElements() == SOURCE_NAME + 2
					&& name.getElement(SOURCE_NAME + 1, Form.UNIFORM).equals("url");
			this.origins.merge(sourceName, new Found(property.getOrigin(), url),
					(before, found) -> (found.url() && !before.url()) ? found : before);
		}
	}

	private void refuseUnknown(ConfigurationProperty property) {
		ConfigurationPropertyName name = property.getName();
		boolean ofSource = DATASOURCES.isAncestorOf(name);
		String variable = variable(property);
		if (ofSource && variable != null) {
			String source = name.getElement(SOURCE_NAME, Form.ORIGINAL);
			if (!this.sources.containsKey(source)) {
				this.declaredNames.remove(source);
				this.mistakes.add("The environment variable " + variable + " sets nothing: it stands for '" + name
						+ "', and there is no such source and property. Correct its name, or remove it.");
				return;
			}
		}
		int skipped = ofSource ? SOURCE_NAME + 1 : TENANCY.getNumberOfElements();
		String key = name.subName(skipped).toString();
		Set<String> known = PropertyKeys.of(ofSource ? SourceProperties.class : TenancyProperties.class);
		this.mistakes.add("'" + name + "'" + at(property.getOrigin()) + " is no property."
				+ PropertyKeys.suggest(key.replaceAll("\\[\\d+]", "[]"), known));
	}

	private void refuseValue(ConfigurationProperty property, Class<?> type) {
		String what = "'" + property.getName() + "'" + at(property.getOrigin());
		if (type.isEnum()) {
			this.mistakes.add(what + " must be one of "
					+ String.join(", ", Arrays.stream(type.getEnumConstants()).map(PropertyKeys::dashed).toList())
					+ ", not '" + property.getValue() + "'.");
		}
		else if (ClassUtils.isPrimitiveOrWrapper(type) || type == Duration.class) {
			this.mistakes.add(what + " must be of type " + ClassUtils.resolvePrimitiveIfNecessary(type).getSimpleName()
					+ ", not '" + property.getValue() + "'.");
		}
		else {
			// It may be a whole URL with its password.
			this.mistakes.add(what + " is a value where keys below it belong.");
		}
	}

	/** The environment variable that a property comes from, if it is one's. */
	private static @Nullable String variable(ConfigurationProperty property) {
		Origin origin = property.getOrigin();
		if (origin instanceof SystemEnvironmentOrigin variable) {
			return variable.getProperty();
		}
		return (origin instanceof PropertySourceOrigin variable
				&& variable.getPropertySource() instanceof SystemEnvironmentPropertySource) ? variable.getPropertyName()
						: null;
	}

	static String at(@Nullable Origin origin) {
		return (origin != null) ? " (" + origin + ")" : "";
	}

	private record Found(Origin origin, boolean url) {

	}

	/**
	 * Goes on after a mistake, as if the property were not there.
	 */
	private final class CollectingHandler extends NoUnboundElementsBindHandler {

		/**
		 * What was bound, as the environment variable that keeps the words of a key
		 * apart, MAIN_DRIVER_CLASS_NAME: to the binder its name is another one.
		 */
		private final Set<String> boundVariables = new HashSet<>();

		private final Set<ConfigurationPropertyName> refused = new HashSet<>();

		private final List<ConfigurationProperty> unknown = new ArrayList<>();

		private @Nullable Object result;

		CollectingHandler() {
			super(BindHandler.DEFAULT);
		}

		@Override
		public @Nullable Object onSuccess(ConfigurationPropertyName name, Bindable<?> target, BindContext context,
				Object result) {
			StringBuilder variable = new StringBuilder();
			for (int i = 0; i < name.getNumberOfElements(); i++) {
				variable.append((i > 0) ? "_" : "").append(name.getElement(i, Form.ORIGINAL).replace('-', '_'));
			}
			this.boundVariables.add(variable.toString().toUpperCase(Locale.ROOT));
			return super.onSuccess(name, target, context, result);
		}

		@Override
		public @Nullable Object onFailure(ConfigurationPropertyName name, Bindable<?> target, BindContext context,
				Exception error) throws Exception {
			if (error instanceof UnboundConfigurationPropertiesException unbound) {
				unbound.getUnboundProperties().stream().filter(this::isUnknown).forEach(this.unknown::add);
				return this.result;
			}
			for (ConfigurationPropertySource source : context.getSources()) {
				ConfigurationProperty property = source.getConfigurationProperty(name);
				if (property != null) {
					this.refused.add(property.getName());
					refuseValue(property, target.getType().resolve(Object.class));
					return null;
				}
			}
			return super.onFailure(name, target, context, error);
		}

		private boolean isUnknown(ConfigurationProperty property) {
			String variable = variable(property);
			return !this.refused.contains(property.getName())
					&& (variable == null || !this.boundVariables.contains(variable.toUpperCase(Locale.ROOT)));
		}

		@Override
		public void onFinish(ConfigurationPropertyName name, Bindable<?> target, BindContext context,
				@Nullable Object result) throws Exception {
			if (context.getDepth() == 0) {
				this.result = result;
			}
			super.onFinish(name, target, context, result);
		}

	}

}
