package io.multidb.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

import jakarta.persistence.EntityManagerFactory;
import org.hibernate.SessionFactory;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.util.ClassUtils;

import io.multidb.MultiDbException;
import io.multidb.Target;
import io.multidb.source.Source;

/**
 * One session factory per database product, shown as one: each call goes to that of the
 * product of the thread's source. Where no source can be told, it goes to the first, so
 * that an application can start; a session that is opened then gets no connection.
 * <p>
 * The first is built at once, so that a mistake in the entities stops the start; the
 * others when a source of theirs is first used. Thread-safe.
 */
final class ProductSessionFactories implements InvocationHandler {

	private static final Logger logger = LoggerFactory.getLogger(ProductSessionFactories.class);

	private final Map<HibernateProduct, Lazy> factories = new LinkedHashMap<>();

	private final Lazy first;

	private final Function<Target, Source> sources;

	private final @Nullable ClassLoader classLoader;

	private volatile boolean closed;

	/**
	 * Creates the factories and builds the first.
	 * @param products the products
	 * @param build builds the factory for a product
	 * @param sources tells a target's source
	 * @param classLoader the application's, for building on threads that have another
	 */
	ProductSessionFactories(List<HibernateProduct> products, Function<HibernateProduct, EntityManagerFactory> build,
			Function<Target, Source> sources, @Nullable ClassLoader classLoader) {
		this.sources = sources;
		this.classLoader = classLoader;
		products.forEach((product) -> this.factories.put(product, new Lazy(product, build)));
		this.first = this.factories.values().iterator().next();
		this.first.get();
	}

	/** The factory that the others are behind. */
	SessionFactory asOne() {
		return (SessionFactory) Proxy.newProxyInstance(SessionFactory.class.getClassLoader(),
				new Class<?>[] { SessionFactory.class }, this);
	}

	@Override
	@SuppressWarnings("ReferenceEquality") // it is what equals means for a factory
	public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] arguments) throws Throwable {
		Object argument = (arguments != null && arguments.length == 1) ? arguments[0] : null;
		return switch (method.getName()) {
			case "equals" -> proxy == argument;
			case "hashCode" -> System.identityHashCode(proxy);
			case "toString" -> "Session factories for " + this.factories.keySet();
			case "isOpen" -> !this.closed;
			case "isClosed" -> this.closed;
			case "close" -> {
				close();
				yield null;
			}
			// Also unwrap: Spring Data unwraps for as long as it gets a proxy.
			default -> call(method, arguments);
		};
	}

	private @Nullable Object call(Method method, Object @Nullable [] arguments) throws Throwable {
		try {
			return method.invoke(current(), arguments);
		}
		catch (InvocationTargetException ex) {
			throw ex.getTargetException();
		}
	}

	private EntityManagerFactory current() {
		Source source;
		try {
			source = this.sources.apply(Target.current());
		}
		catch (MultiDbException ex) {
			return this.first.get();
		}
		HibernateProduct product = HibernateProduct.of(source.definition().url());
		Lazy factory = this.factories.get(product);
		if (factory == null) {
			throw new WrongProductException(source.name(), product, this.factories.keySet());
		}
		return factory.get();
	}

	private void close() {
		this.closed = true;
		RuntimeException failure = null;
		for (Lazy factory : this.factories.values()) {
			try {
				factory.close();
			}
			catch (RuntimeException ex) {
				if (failure != null) {
					ex.addSuppressed(failure);
				}
				failure = ex;
			}
		}
		if (failure != null) {
			throw failure;
		}
	}

	/** Built on first use, by one thread; others wait for it. */
	private final class Lazy {

		private final HibernateProduct product;

		private final Function<HibernateProduct, EntityManagerFactory> build;

		private final Lock lock = new ReentrantLock();

		private volatile @Nullable EntityManagerFactory factory;

		Lazy(HibernateProduct product, Function<HibernateProduct, EntityManagerFactory> build) {
			this.product = product;
			this.build = build;
		}

		EntityManagerFactory get() {
			EntityManagerFactory built = this.factory;
			return (built != null) ? built : build();
		}

		private EntityManagerFactory build() {
			this.lock.lock();
			try {
				EntityManagerFactory built = this.factory;
				if (built != null) {
					return built;
				}
				if (ProductSessionFactories.this.closed) {
					throw new IllegalStateException("EntityManagerFactory is closed");
				}
				long start = System.nanoTime();
				built = buildAsTheApplication();
				this.factory = built;
				logger.info("Hibernate for {} is ready, in {} ms", this.product,
						(System.nanoTime() - start) / 1_000_000);
				return built;
			}
			finally {
				this.lock.unlock();
			}
		}

		/** A thread of a common pool does not see the application's classes. */
		private EntityManagerFactory buildAsTheApplication() {
			ClassLoader former = Thread.currentThread().getContextClassLoader();
			ClassUtils.overrideThreadContextClassLoader(ProductSessionFactories.this.classLoader);
			try {
				return this.build.apply(this.product);
			}
			finally {
				Thread.currentThread().setContextClassLoader(former);
			}
		}

		void close() {
			this.lock.lock();
			try {
				if (this.factory != null) {
					this.factory.close();
				}
			}
			finally {
				this.lock.unlock();
			}
		}

	}

}
