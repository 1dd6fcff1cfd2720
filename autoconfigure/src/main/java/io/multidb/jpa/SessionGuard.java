package io.multidb.jpa;

import java.sql.DatabaseMetaData;
import java.sql.SQLException;
import java.util.Objects;

import org.hibernate.engine.spi.SharedSessionContractImplementor;
import org.hibernate.event.service.spi.EventListenerRegistry;
import org.hibernate.event.spi.AutoFlushEvent;
import org.hibernate.event.spi.AutoFlushEventListener;
import org.hibernate.event.spi.DeleteContext;
import org.hibernate.event.spi.DeleteEvent;
import org.hibernate.event.spi.DeleteEventListener;
import org.hibernate.event.spi.EventType;
import org.hibernate.event.spi.FlushEvent;
import org.hibernate.event.spi.FlushEventListener;
import org.hibernate.event.spi.InitializeCollectionEvent;
import org.hibernate.event.spi.InitializeCollectionEventListener;
import org.hibernate.event.spi.LoadEvent;
import org.hibernate.event.spi.LoadEventListener;
import org.hibernate.event.spi.LockEvent;
import org.hibernate.event.spi.LockEventListener;
import org.hibernate.event.spi.MergeContext;
import org.hibernate.event.spi.MergeEvent;
import org.hibernate.event.spi.MergeEventListener;
import org.hibernate.event.spi.PersistContext;
import org.hibernate.event.spi.PersistEvent;
import org.hibernate.event.spi.PersistEventListener;
import org.hibernate.event.spi.PostInsertEvent;
import org.hibernate.event.spi.PostInsertEventListener;
import org.hibernate.event.spi.PostLoadEvent;
import org.hibernate.event.spi.PostLoadEventListener;
import org.hibernate.event.spi.PostUpsertEvent;
import org.hibernate.event.spi.PostUpsertEventListener;
import org.hibernate.event.spi.PreDeleteEvent;
import org.hibernate.event.spi.PreDeleteEventListener;
import org.hibernate.event.spi.PreUpdateEvent;
import org.hibernate.event.spi.PreUpdateEventListener;
import org.hibernate.event.spi.PreUpsertEvent;
import org.hibernate.event.spi.PreUpsertEventListener;
import org.hibernate.event.spi.RefreshContext;
import org.hibernate.event.spi.RefreshEvent;
import org.hibernate.event.spi.RefreshEventListener;
import org.hibernate.persister.entity.EntityPersister;
import org.hibernate.proxy.HibernateProxy;
import org.hibernate.proxy.LazyInitializer;
import org.hibernate.resource.jdbc.spi.LogicalConnectionImplementor;
import org.jspecify.annotations.Nullable;

import io.multidb.MultiDbException;
import io.multidb.Operation;
import io.multidb.Target;
import io.multidb.WrongSourceException;
import io.multidb.routing.Routes;
import io.multidb.routing.TargetAccess;

/**
 * Refuses what a guarded connection does not see, for it needs no statement, or none yet:
 * a session used under another source's target, and an entity's instance of one source
 * handed to a session of another. Thread-safe.
 */
final class SessionGuard implements LoadEventListener, PersistEventListener, MergeEventListener, DeleteEventListener,
		RefreshEventListener, LockEventListener, FlushEventListener, AutoFlushEventListener,
		InitializeCollectionEventListener, PostLoadEventListener, PostInsertEventListener, PreUpdateEventListener,
		PreDeleteEventListener, PreUpsertEventListener, PostUpsertEventListener {

	private final Routes routes;

	private final SourceIdentifiers identifiers;

	private final LoadedEntities loaded;

	/** {@code null} where there are no rules. */
	private final @Nullable TargetAccess access;

	SessionGuard(Routes routes, SourceIdentifiers identifiers, LoadedEntities loaded, @Nullable TargetAccess access) {
		this.access = access;
		this.routes = routes;
		this.identifiers = identifiers;
		this.loaded = loaded;
	}

	/** Goes before Hibernate's own listeners, which do the work. */
	void register(EventListenerRegistry registry) {
		registry.prependListeners(EventType.LOAD, this);
		registry.prependListeners(EventType.PERSIST, this);
		registry.prependListeners(EventType.MERGE, this);
		registry.prependListeners(EventType.DELETE, this);
		registry.prependListeners(EventType.REFRESH, this);
		registry.prependListeners(EventType.LOCK, this);
		registry.prependListeners(EventType.FLUSH, this);
		registry.prependListeners(EventType.AUTO_FLUSH, this);
		registry.prependListeners(EventType.INIT_COLLECTION, this);
		registry.prependListeners(EventType.POST_LOAD, this);
		registry.prependListeners(EventType.POST_INSERT, this);
		registry.prependListeners(EventType.PRE_UPDATE, this);
		registry.prependListeners(EventType.PRE_DELETE, this);
		registry.prependListeners(EventType.PRE_UPSERT, this);
		registry.prependListeners(EventType.POST_UPSERT, this);
	}

	private @Nullable String sourceOf(SharedSessionContractImplementor session) {
		Object identifier = session.getTenantIdentifierValue();
		return (identifier != null) ? this.identifiers.sourceOf(identifier) : null;
	}

	private void check(SharedSessionContractImplementor session) {
		String its = sourceOf(session);
		String current;
		try {
			Target target = Target.current();
			current = ((this.access != null) ? this.access.resolve(target) : this.routes.resolve(target)).name();
		}
		catch (MultiDbException ex) {
			if (its != null && mayFinish(session)) {
				return;
			}
			current = null;
		}
		Object identifier = session.getTenantIdentifierValue();
		if (!Objects.equals(its, current)) {
			if (its == null && this.access != null) {
				// That is why it was opened without.
				this.access.check(Target.current(), Operation.READ);
			}
			throw wrongSession(its, identifier);
		}
		if (its != null && !this.identifiers.isCurrent(identifier)) {
			throw this.identifiers.areOfSources() ? new WrongSourceException("A Hibernate session of source '" + its
					+ "' was used after that was removed"
					+ " and added again, and is another source; nothing was read or written. Open a new session.", its)
					: wrongSession(its, identifier);
		}
		if (its != null && this.access != null) {
			check(session, this.access);
		}
	}

	/** Another tenant of the same source may be another matter. */
	private static void check(SharedSessionContractImplementor session, TargetAccess access) {
		LogicalConnectionImplementor connection = session.getJdbcCoordinator().getLogicalConnection();
		if (!connection.isPhysicallyConnected()) {
			access.check(Target.current(), Operation.READ);
			return;
		}
		try {
			// It remembers what was allowed.
			access.check(connection.getPhysicalConnection());
		}
		catch (SQLException ex) {
			if (ex.getCause() instanceof MultiDbException failure) {
				throw failure;
			}
			throw new IllegalStateException(ex);
		}
	}

	static WrongSourceException wrongSession(@Nullable String source, @Nullable Object identifier) {
		String which = (source != null) ? "of source '" + source + "'" : "that was opened without a source";
		if (source != null && !source.equals(identifier)) {
			which += ", opened for '" + identifier + "',";
		}
		return new WrongSourceException("A Hibernate session " + which + " was used while the thread's target is "
				+ Target.current()
				+ "; nothing was read or written. Open the session inside the scope that uses it, and"
				+ " finish with it (lazy loading, streams, commit) before the scope ends; a session that is open for the"
				+ " whole request ('spring.jpa.open-in-view') is opened before the tenant is entered by @Tenant.",
				String.valueOf(source));
	}

	/** Of a source that was removed meanwhile: its guarded connection knows. */
	private static boolean mayFinish(SharedSessionContractImplementor session) {
		LogicalConnectionImplementor connection = session.getJdbcCoordinator().getLogicalConnection();
		if (!connection.isPhysicallyConnected()) {
			return false;
		}
		try {
			DatabaseMetaData allowed = connection.getPhysicalConnection().getMetaData();
			return allowed != null;
		}
		catch (SQLException ex) {
			return false;
		}
	}

	private void check(SharedSessionContractImplementor session, String action, @Nullable Object object) {
		check(session);
		checkOwner(session, action, object);
	}

	private void checkOwner(SharedSessionContractImplementor session, String action, @Nullable Object object) {
		String owner = owner(object);
		String its = sourceOf(session);
		if (object != null && owner != null && !owner.equals(its)) {
			throw new WrongSourceException("An instance of " + object.getClass().getName() + " came from source '"
					+ owner + "' and was to be " + action + " in a session of source '" + its
					+ "'; nothing was written. To copy it, copy its values into a new instance.", owner);
		}
	}

	private @Nullable String owner(@Nullable Object object) {
		if (object == null) {
			return null;
		}
		LazyInitializer proxy = HibernateProxy.extractLazyInitializer(object);
		if (proxy == null) {
			return this.loaded.sourceOf(object);
		}
		if (proxy.isUninitialized()) {
			// Once it is detached, nothing tells where it came from.
			return (proxy.getSession() != null) ? sourceOf(proxy.getSession()) : null;
		}
		return this.loaded.sourceOf(proxy.getImplementation());
	}

	private void remember(SharedSessionContractImplementor session, Object entity) {
		String source = sourceOf(session);
		if (source != null) {
			this.loaded.add(entity, source);
		}
	}

	@Override
	public void onLoad(LoadEvent event, LoadType type) {
		check(event.getSession());
	}

	@Override
	public void onPersist(PersistEvent event) {
		check(event.getSession());
	}

	@Override
	public void onPersist(PersistEvent event, PersistContext done) {
		check(event.getSession());
	}

	@Override
	public void onMerge(MergeEvent event) {
		check(event.getSession(), "merged", event.getOriginal());
	}

	@Override
	public void onMerge(MergeEvent event, MergeContext done) {
		check(event.getSession(), "merged", event.getOriginal());
	}

	@Override
	public void onDelete(DeleteEvent event) {
		check(event.getSession(), "removed", event.getObject());
	}

	@Override
	public void onDelete(DeleteEvent event, DeleteContext done) {
		check(event.getSession(), "removed", event.getObject());
	}

	@Override
	public void onRefresh(RefreshEvent event) {
		check(event.getSession(), "refreshed", event.getObject());
	}

	@Override
	public void onRefresh(RefreshEvent event, RefreshContext done) {
		check(event.getSession(), "refreshed", event.getObject());
	}

	@Override
	public void onLock(LockEvent event) {
		check(event.getSession(), "locked", event.getObject());
	}

	@Override
	public void onFlush(FlushEvent event) {
		check(event.getSession());
	}

	@Override
	public void onAutoFlush(AutoFlushEvent event) {
		check(event.getSession());
	}

	@Override
	public void onInitializeCollection(InitializeCollectionEvent event) {
		check(event.getSession());
	}

	@Override
	public void onPostLoad(PostLoadEvent event) {
		remember(event.getSession(), event.getEntity());
	}

	@Override
	public void onPostInsert(PostInsertEvent event) {
		remember(event.getSession(), event.getEntity());
	}

	/** A stateless session has no merge. */
	@Override
	public boolean onPreUpdate(PreUpdateEvent event) {
		checkOwner(event.getSession(), "updated", event.getEntity());
		return false;
	}

	@Override
	public boolean onPreDelete(PreDeleteEvent event) {
		checkOwner(event.getSession(), "removed", event.getEntity());
		return false;
	}

	@Override
	public boolean onPreUpsert(PreUpsertEvent event) {
		checkOwner(event.getSession(), "upserted", event.getEntity());
		return false;
	}

	@Override
	public void onPostUpsert(PostUpsertEvent event) {
		remember(event.getSession(), event.getEntity());
	}

	@Override
	public boolean requiresPostCommitHandling(EntityPersister persister) {
		return false;
	}

}
