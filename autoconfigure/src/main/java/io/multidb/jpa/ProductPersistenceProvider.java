package io.multidb.jpa;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.PersistenceConfiguration;
import jakarta.persistence.spi.PersistenceProvider;
import jakarta.persistence.spi.PersistenceUnitInfo;
import jakarta.persistence.spi.ProviderUtil;
import org.hibernate.cfg.AvailableSettings;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.diagnostics.FailureAnalyzedException;

import io.multidb.Target;
import io.multidb.source.Source;

/**
 * Builds one session factory per database product where Hibernate would build one, and
 * shows them as one. Whoever configures and holds the EntityManagerFactory, such as
 * Spring Boot, does so as ever.
 */
final class ProductPersistenceProvider implements PersistenceProvider {

	/** What is one product's, and so wrong for all others. */
	private static final List<String> OF_ONE_PRODUCT = List.of(AvailableSettings.DIALECT,
			AvailableSettings.JAKARTA_HBM2DDL_DB_NAME, AvailableSettings.JAKARTA_HBM2DDL_DB_VERSION,
			AvailableSettings.JAKARTA_HBM2DDL_DB_MAJOR_VERSION, AvailableSettings.JAKARTA_HBM2DDL_DB_MINOR_VERSION);

	private final PersistenceProvider hibernate;

	private final List<HibernateProduct> products;

	private final ProductSettings settings;

	private final Function<Target, Source> sources;

	/**
	 * Creates the provider.
	 * @param hibernate builds a session factory
	 * @param products the products, two at least
	 * @param settings adds a product's settings
	 * @param sources tells a target's source, and so its product
	 */
	ProductPersistenceProvider(PersistenceProvider hibernate, List<HibernateProduct> products, ProductSettings settings,
			Function<Target, Source> sources) {
		this.hibernate = hibernate;
		this.products = products;
		this.settings = settings;
		this.sources = sources;
	}

	/** Adds what a session factory for a product needs to the settings of all. */
	@FunctionalInterface
	interface ProductSettings {

		void addTo(Map<String, Object> settings, HibernateProduct product);

	}

	@Override
	public EntityManagerFactory createContainerEntityManagerFactory(PersistenceUnitInfo unit,
			@Nullable Map<?, ?> common) {
		Map<String, Object> all = new LinkedHashMap<>();
		if (common != null) {
			common.forEach((name, value) -> all.put(String.valueOf(name), value));
		}
		refuseWhatIsOfOneProduct(unit, all);
		return new ProductSessionFactories(this.products, (product) -> {
			Map<String, Object> own = new LinkedHashMap<>(all);
			this.settings.addTo(own, product);
			return this.hibernate.createContainerEntityManagerFactory(unit, own);
		}, this.sources, unit.getClassLoader()).asOne();
	}

	private void refuseWhatIsOfOneProduct(PersistenceUnitInfo unit, Map<String, Object> settings) {
		for (String name : OF_ONE_PRODUCT) {
			Object value = (settings.get(name) != null) ? settings.get(name) : unit.getProperties().get(name);
			if (value != null) {
				throw new FailureAnalyzedException(
						"Hibernate's setting '" + name + "' is '" + value + "' for all sources, and they are of "
								+ this.products.size() + " products: " + this.products + ".",
						"Remove it (in Spring Boot, 'spring.jpa.properties', 'spring.jpa.database-platform' or"
								+ " 'spring.jpa.database'): dialects are chosen by product. What is for one product"
								+ " belongs in 'app.tenancy.jpa.properties.<product>'.");
			}
		}
	}

	@Override
	public @Nullable EntityManagerFactory createEntityManagerFactory(String unit, @Nullable Map<?, ?> properties) {
		return this.hibernate.createEntityManagerFactory(unit, properties);
	}

	@Override
	public EntityManagerFactory createEntityManagerFactory(PersistenceConfiguration configuration) {
		return this.hibernate.createEntityManagerFactory(configuration);
	}

	@Override
	public void generateSchema(PersistenceUnitInfo unit, @Nullable Map<?, ?> properties) {
		this.hibernate.generateSchema(unit, properties);
	}

	@Override
	public boolean generateSchema(String unit, @Nullable Map<?, ?> properties) {
		return this.hibernate.generateSchema(unit, properties);
	}

	@Override
	public ProviderUtil getProviderUtil() {
		return this.hibernate.getProviderUtil();
	}

}
