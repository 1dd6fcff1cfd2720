package io.multidb.transaction;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import jakarta.persistence.PersistenceContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.config.EnableJpaRepositories;
import org.springframework.jdbc.core.ConnectionCallback;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.AbstractDataSource;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.TransactionAwareDataSourceProxy;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.orm.jpa.EntityManagerHolder;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import io.multidb.OpenTransaction;
import io.multidb.Scope;
import io.multidb.SourceContext;
import io.multidb.SourceSwitchException;
import io.multidb.Tenant;
import io.multidb.TenantContext;
import io.multidb.UnknownTenantException;
import io.multidb.UseSource;
import io.multidb.autoconfigure.MultiDbAutoConfiguration;
import io.multidb.autoconfigure.MultiDbJpaAutoConfiguration;
import io.multidb.routing.RoutingDataSource;
import io.multidb.routing.TenantMappings;
import io.multidb.source.SourceRegistry;
import io.multidb.source.Sources;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * Tests for {@link SwitchCheck}, {@link Suspension} and {@link IdleConnection}, with each
 * of Spring's transaction managers.
 */
@ParameterizedClass
@EnumSource
class SwitchCheckTests {

	enum Manager {

		JDBC, JPA

	}

	@Parameter
	private Manager manager;

	@TempDir
	private Path directory;

	private String[] properties = {};

	private Class<?>[] configurations = {};

	@Test
	void nestedServiceOfAnotherTenantIsRefused() {
		run((context) -> {
			Shops shops = context.getBean(Shops.class);
			assertThatExceptionOfType(SourceSwitchException.class)
				.isThrownBy(() -> shops.inLisbon(() -> context.getBean(Notes.class).inPorto("b")))
				.withMessageContainingAll("tenant 'lisbon'", "tenant 'porto'", "source 'lisbon'", "source 'porto'",
						"REQUIRES_NEW", "NOT_SUPPORTED", "SUSPEND")
				.satisfies((ex) -> assertThat(ex.source()).isEqualTo("lisbon"));
			assertNotes(context, "lisbon");
			assertNotes(context, "porto");
		});
	}

	@Test
	void refusedSwitchLeavesTheTransactionUsable() {
		run((context) -> {
			context.getBean(Shops.class).inLisbon(() -> {
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> context.getBean(Notes.class).inPorto("b"));
				insert(context, "c");
			});
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto");
		});
	}

	@Test
	void enteringATenantOrSourceInATransactionIsRefused() {
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
				assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("porto"));
				assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> SourceContext.enter("porto"));
				assertThat(TenantContext.current()).isEqualTo("lisbon");
				SourceContext.run("lisbon", () -> insert(context, "a"));
			}));
			assertNotes(context, "lisbon", "a");
		});
	}

	@Test
	void enteringATenantThatLeadsNowhereIsRefusedWithTheReason() {
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TenantContext.run("lisbon",
					() -> transaction
						.executeWithoutResult((status) -> assertThatExceptionOfType(SourceSwitchException.class)
							.isThrownBy(() -> TenantContext.enter("atlantis"))
							.withCauseInstanceOf(UnknownTenantException.class)));
		});
	}

	@Test
	void aTenantThatWasMappedElsewhereMeanwhileIsAnotherSource() {
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TransactionTemplate another = transaction(context, TransactionDefinition.PROPAGATION_REQUIRES_NEW);
			TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
				insert(context, "a");
				context.getBean(TenantMappings.class).map("lisbon", "porto");
				assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("lisbon"))
					.withMessageContaining("source 'porto'");
				insert(context, "b");
			}));
			TenantContext.run("lisbon", () -> another.executeWithoutResult((status) -> insert(context, "c")));
			context.getBean(TenantMappings.class).unmap("lisbon");
			assertNotes(context, "lisbon", "a", "b");
			assertNotes(context, "porto", "c");
		});
	}

	@Test
	void methodWithATransactionOfItsOwnWorksOnItsTenant() {
		run((context) -> {
			context.getBean(Shops.class).inLisbon(() -> {
				context.getBean(Notes.class).inPortoRequiresNew("b");
				insert(context, "c");
			});
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void methodWithoutTransactionWorksOnItsTenant() {
		run((context) -> {
			context.getBean(Shops.class).inLisbon(() -> {
				context.getBean(Notes.class).inPortoNotSupported("b");
				insert(context, "c");
			});
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void suspendingMethodWorksOnItsTenantAndIsNotRolledBackWithTheOuterTransaction() {
		run((context) -> {
			assertThatIllegalStateException().isThrownBy(() -> context.getBean(Shops.class).inLisbon(() -> {
				context.getBean(Notes.class).inPortoSuspending("b");
				throw new IllegalStateException("rolls back");
			}));
			assertNotes(context, "lisbon");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void suspendingMethodMayNameASource() {
		run((context) -> {
			context.getBean(Shops.class).inLisbon(() -> context.getBean(Notes.class).onPortoSuspending("b"));
			assertNotes(context, "lisbon", "a");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void suspendedTransactionIsPutBackAsItWas() {
		run((context) -> {
			List<String> told = new ArrayList<>();
			context.getBean(Shops.class).inLisbon(() -> {
				TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void suspend() {
						told.add("suspend");
					}

					@Override
					public void resume() {
						told.add("resume");
					}

					@Override
					public void afterCommit() {
						told.add("commit");
					}

				});
				Object resources = List.copyOf(TransactionSynchronizationManager.getResourceMap().values());
				String name = TransactionSynchronizationManager.getCurrentTransactionName();
				assertThatIllegalStateException().isThrownBy(() -> context.getBean(Notes.class).failInPorto());
				assertThat(told).containsExactly("suspend", "resume");
				assertThat(List.copyOf(TransactionSynchronizationManager.getResourceMap().values()))
					.isEqualTo(resources);
				assertThat(TransactionSynchronizationManager.getCurrentTransactionName()).isEqualTo(name).isNotNull();
				assertThat(TransactionSynchronizationManager.isActualTransactionActive()).isTrue();
			});
			assertThat(told).containsExactly("suspend", "resume", "commit");
			assertNotes(context, "lisbon", "a");
		});
	}

	@Test
	void transactionLeftOpenInASuspendingMethodIsRolledBack() {
		run((context) -> {
			context.getBean(Shops.class).inLisbon(() -> {
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> context.getBean(Notes.class).leaveOpenInPorto("b"))
					.withMessageContainingAll("ended while", "of source 'porto'", "still open");
				insert(context, "c");
			});
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto");
		});
	}

	@Test
	void suspendingMethodOfTheSameSourceTakesPart() {
		this.properties = new String[] { "app.tenancy.routes[0].tenants=x*", "app.tenancy.routes[0].source=porto",
				"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}" };
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TenantContext.run("x1", () -> transaction.executeWithoutResult((status) -> {
				context.getBean(Notes.class).inPortoSuspending("b");
				status.setRollbackOnly();
			}));
			assertNotes(context, "porto");
		});
	}

	@Test
	void tenantsOfOneSourceShareATransaction() {
		this.properties = new String[] { "app.tenancy.routes[0].tenants=x*", "app.tenancy.routes[0].source=porto",
				"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}" };
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TenantContext.run("x1", () -> transaction.executeWithoutResult((status) -> {
				insert(context, "a");
				TenantContext.run("x2", () -> insert(context, "b"));
				TenantContext.run("x1", () -> insert(context, "c"));
				status.setRollbackOnly();
			}));
			assertNotes(context, "porto");
			TenantContext.run("x1", () -> transaction
				.executeWithoutResult((status) -> TenantContext.run("x2", () -> insert(context, "d"))));
			assertNotes(context, "porto", "d");
		});
	}

	@Test
	void scopeInsideNoTransactionMaySwitch() {
		run((context) -> {
			TransactionTemplate required = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TransactionTemplate none = transaction(context, TransactionDefinition.PROPAGATION_NOT_SUPPORTED);
			TenantContext.run("lisbon", () -> required.executeWithoutResult((outer) -> {
				none.executeWithoutResult((status) -> TenantContext.run("porto",
						() -> required.executeWithoutResult((inner) -> insert(context, "b"))));
				insert(context, "a");
			}));
			assertNotes(context, "lisbon", "a");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void synchronizationWithoutTransactionMaySwitchBackAndForth() {
		run((context) -> {
			TransactionTemplate supports = transaction(context, TransactionDefinition.PROPAGATION_SUPPORTS);
			supports.executeWithoutResult((status) -> {
				TenantContext.run("lisbon", () -> insert(context, "a"));
				TenantContext.run("porto", () -> insert(context, "b"));
				TenantContext.run("lisbon", () -> insert(context, "c"));
			});
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void scopeThatEndsBeforeItsTransactionSaysSo() {
		run((context) -> {
			PlatformTransactionManager transactions = transactions(context);
			Scope scope = TenantContext.enter("lisbon");
			TransactionStatus status = transactions.getTransaction(null);
			insert(context, "a");
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(scope::close)
				.withMessageContainingAll("The scope of tenant 'lisbon' ended while", "of source 'lisbon'",
						"Finish what a scope began");
			assertThat(TenantContext.current()).isNull();
			transactions.rollback(status);
			assertNotes(context, "lisbon");
		});
	}

	@Test
	void transactionOfAnUnrelatedDataSourceDoesNotCount() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			JdbcClient ledger = JdbcClient.create(context.getBean("unrelated", DataSource.class));
			unrelated.executeWithoutResult((status) -> {
				ledger.sql("INSERT INTO note VALUES ('l1')").update();
				TenantContext.run("lisbon", () -> insert(context, "a"));
				TenantContext.run("porto", () -> insert(context, "b"));
				context.getBean(Notes.class).inLisbon("c");
				context.getBean(Notes.class).inPortoRequiresNew("d");
				context.getBean(Notes.class).inPortoSuspending("e");
				ledger.sql("INSERT INTO note VALUES ('l2')").update();
				assertThat(ledger.sql("SELECT count(*) FROM note").query(Integer.class).single()).isEqualTo(2);
				status.setRollbackOnly();
			});
			assertThat(ledger.sql("SELECT count(*) FROM note").query(Integer.class).single()).isZero();
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto", "b", "d", "e");
		});
	}

	@Test
	void transactionOfADataSourceThatHidesTheRouterCounts() {
		run((context) -> {
			DataSource router = context.getBean(DataSource.class);
			DataSource hiding = new AbstractDataSource() {
				@Override
				public Connection getConnection() throws SQLException {
					return router.getConnection();
				}

				@Override
				public Connection getConnection(String username, String password) throws SQLException {
					return router.getConnection(username, password);
				}
			};
			TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(hiding));
			TenantContext.run("lisbon",
					() -> transaction
						.executeWithoutResult((status) -> assertThatExceptionOfType(SourceSwitchException.class)
							.isThrownBy(() -> TenantContext.enter("porto"))
							.withMessageContaining("a transaction of source 'lisbon'")));
		});
	}

	/** As test classes have several, which Spring keeps. */
	@Test
	void transactionOfAnotherContextDoesNotCount() {
		this.properties = shared();
		run((context) -> new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class))
			.withPropertyValues("app.datasources.faro.url=jdbc:sqlite:" + this.directory.resolve("faro.db"))
			.run((other) -> {
				assertThat(other).hasSingleBean(SwitchCheck.class);
				TenantContext.run("porto", () -> transaction(context, TransactionDefinition.PROPAGATION_REQUIRED)
					.executeWithoutResult((status) -> {
						insert(context, "a");
						TenantContext.run("x1", () -> insert(context, "b"));
					}));
				assertNotes(context, "porto", "a", "b");
			}));
	}

	@Test
	void afterCommitOfAnUnrelatedTransactionIsToldAlthoughTheTenantSwitched() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			List<String> told = new ArrayList<>();
			unrelated.executeWithoutResult((status) -> {
				TenantContext.run("lisbon", () -> insert(context, "a"));
				TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void afterCommit() {
						told.add("commit");
					}

				});
				TenantContext.run("porto", () -> insert(context, "b"));
			});
			assertThat(told).containsExactly("commit");
		});
	}

	@Test
	void uncommittedWorkOnAKeptConnectionIsNotGivenBack() {
		this.configurations = new Class<?>[] { Unrelated.class };
		this.properties = new String[] { "app.datasources.lisbon.hikari.auto-commit=false" };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			assertThatExceptionOfType(SourceSwitchException.class)
				.isThrownBy(() -> unrelated.executeWithoutResult((status) -> {
					TenantContext.run("lisbon", () -> insert(context, "a"));
					TenantContext.run("porto", () -> insert(context, "b"));
				}))
				.withMessageContaining("source 'lisbon'");
			assertNotes(context, "porto");
		});
	}

	@Test
	void managerOfAnUnrelatedDataSourceDoesNotStandInTheWayOfSuspending() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			context.getBean(Shops.class).inLisbon(() -> {
				context.getBean(LedgerNotes.class).inPorto("b");
				insert(context, "c");
			});
			assertNotes(context, "lisbon", "a", "c");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void isInForceWhereBeansAreMadeLazily() {
		this.properties = new String[] { "spring.main.lazy-initialization=true" };
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TenantContext.run("lisbon",
					() -> transaction
						.executeWithoutResult((status) -> assertThatExceptionOfType(SourceSwitchException.class)
							.isThrownBy(() -> TenantContext.enter("porto"))));
		});
	}

	@Test
	void routerBehindAProxyOfTheApplicationsCounts() {
		run((context) -> {
			LazyConnectionDataSourceProxy lazy = new LazyConnectionDataSourceProxy();
			lazy.setTargetDataSource(context.getBean(RoutingDataSource.class));
			lazy.setDefaultAutoCommit(true);
			lazy.setDefaultTransactionIsolationName("TRANSACTION_SERIALIZABLE");
			TransactionTemplate transaction = new TransactionTemplate(new JdbcTransactionManager(lazy));
			TenantContext.run("lisbon",
					() -> transaction
						.executeWithoutResult((status) -> assertThatExceptionOfType(SourceSwitchException.class)
							.isThrownBy(() -> TenantContext.enter("porto"))
							.withMessageContaining("source 'lisbon'")));
		});
	}

	@Test
	void changesOfASessionNeverFollowASwitch() {
		if (this.manager == Manager.JDBC) {
			return;
		}
		run((context) -> {
			Entities entities = context.getBean(Entities.class);
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> entities.inLisbon("a", (em) -> {
				try (Scope scope = TenantContext.enter("porto")) {
					em.persist(new Note("b"));
				}
			}));
			assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(
					() -> entities.inLisbon("a", (em) -> context.getBean(PortoNotes.class).save(new Note("b"))));
			assertNotes(context, "lisbon");
			assertNotes(context, "porto");
		});
	}

	@Test
	void persistenceContextIsSetAsideAndPutBack() {
		if (this.manager == Manager.JDBC) {
			return;
		}
		run((context) -> {
			Entities entities = context.getBean(Entities.class);
			entities.inLisbon("a", (em) -> {
				Note mine = em.find(Note.class, "a");
				entities.inPortoRequiresNew("b", (inner) -> {
					assertThat(inner.find(Note.class, "a")).isNull();
					assertThat(inner.contains(mine)).isFalse();
				});
				entities.inPortoSuspending("c", (inner) -> assertThat(inner.find(Note.class, "b")).isNotNull());
				assertThat(em.contains(mine)).isTrue();
				em.persist(new Note("d"));
			});
			assertNotes(context, "lisbon", "a", "d");
			assertNotes(context, "porto", "b", "c");
		});
	}

	@Test
	void scopeInATransactionEndsAlthoughItsSourceWasRemovedMeanwhile() {
		this.properties = shared();
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			try {
				TenantContext.run("x1", () -> transaction.executeWithoutResult((status) -> {
					insert(context, "a");
					TenantContext.run("x2", () -> context.getBean(SourceRegistry.class).remove("porto"));
					insert(context, "b");
				}));
			}
			finally {
				context.getBean(SourceRegistry.class).add(Sources.sqlite("porto", this.directory).build());
			}
			assertNotes(context, "porto", "a", "b");
		});
	}

	@Test
	void transactionAwareProxyInAnUnrelatedTransactionMaySwitch() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			int refused = 0;
			SourceSwitchException last = null;
			for (int i = 0; i < 20; i++) {
				int n = i;
				JdbcClient aware = JdbcClient
					.create(new TransactionAwareDataSourceProxy(context.getBean(RoutingDataSource.class)));
				try {
					unrelated.executeWithoutResult((status) -> {
						TenantContext.run("lisbon",
								() -> aware.sql("INSERT INTO note VALUES (?)").param("a" + n).update());
						TenantContext.run("porto",
								() -> aware.sql("INSERT INTO note VALUES (?)").param("b" + n).update());
					});
				}
				catch (SourceSwitchException ex) {
					refused++;
					last = ex;
				}
			}
			if (refused > 0) {
				throw new IllegalStateException("refused " + refused + " of 20", last);
			}
		});
	}

	@Test
	void switchDoesNotRollBackAThirdDataSourceThatDoesNotCommitByItself() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			try (HikariDataSource audit = new HikariDataSource()) {
				audit.setJdbcUrl("jdbc:sqlite:" + this.directory.resolve("audit.db"));
				JdbcClient entries = JdbcClient.create(audit);
				entries.sql("CREATE TABLE note (text VARCHAR(50))").update();
				try (HikariDataSource manual = new HikariDataSource()) {
					manual.setJdbcUrl(audit.getJdbcUrl());
					manual.setAutoCommit(false);
					unrelated.executeWithoutResult((status) -> {
						JdbcClient.create(manual).sql("INSERT INTO note VALUES ('x')").update();
						TenantContext.run("lisbon", () -> insert(context, "a"));
						TenantContext.run("porto", () -> insert(context, "b"));
						new JdbcTemplate(manual).execute((ConnectionCallback<Void>) (c) -> {
							c.commit();
							return null;
						});
					});
				}
				assertThat(entries.sql("SELECT count(*) FROM note").query(Integer.class).single()).isEqualTo(1);
			}
		});
	}

	@Test
	void failingResumeLosesNoOtherCallback() {
		run((context) -> {
			List<String> told = new ArrayList<>();
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			{
				TenantContext.run("lisbon", () -> transaction.executeWithoutResult((status) -> {
					TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
						@Override
						public void resume() {
							throw new IllegalStateException("cannot resume");
						}

						@Override
						public void afterCompletion(int how) {
							told.add("first");
						}
					});
					TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
						@Override
						public void afterCompletion(int how) {
							told.add("second");
						}
					});
					try {
						context.getBean(Notes.class).inPortoSuspending("b");
					}
					catch (IllegalStateException ex) {
						told.add("caught");
					}
				}));
			}
			assertThat(told).containsExactly("caught", "first", "second");
		});
	}

	@Test
	void afterCommitEntersAnotherTenantByRequiresNew() {
		run((context) -> {
			List<String> told = new ArrayList<>();
			context.getBean(Shops.class).inLisbon(() -> {
				for (int i = 0; i < 2; i++) {
					int n = i;
					TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
						@Override
						public void beforeCommit(boolean readOnly) {
							context.getBean(Notes.class).inPortoRequiresNew("before" + n);
						}

						@Override
						public void beforeCompletion() {
							context.getBean(Notes.class).inPortoSuspending("completion" + n);
						}

						@Override
						public void afterCommit() {
							context.getBean(Notes.class).inPortoRequiresNew("after" + n);
							context.getBean(Notes.class).inPortoSuspending("s" + n);
						}

						@Override
						public void afterCompletion(int status) {
							context.getBean(Notes.class).inPortoRequiresNew("z" + n);
							context.getBean(Notes.class).onPortoSuspending("zs" + n);
							context.getBean(Notes.class).inPortoNotSupported("zn" + n);
							told.add("done" + n);
						}
					});
				}
			});
			assertThat(told).containsExactly("done0", "done1");
			assertNotes(context, "lisbon", "a");
			assertNotes(context, "porto", "after0", "after1", "before0", "before1", "completion0", "completion1", "s0",
					"s1", "z0", "z1", "zn0", "zn1", "zs0", "zs1");
		});
	}

	@Test
	void callbacksOfAnUnrelatedTransactionEnterTenants() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			List<String> told = new ArrayList<>();
			for (int order : new int[] { 0, Integer.MAX_VALUE }) {
				unrelated.executeWithoutResult((status) -> {
					TenantContext.run("lisbon", () -> insert(context, "a" + order));
					TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
						@Override
						public int getOrder() {
							return order;
						}

						@Override
						public void beforeCommit(boolean readOnly) {
							TenantContext.run("porto", () -> insert(context, "bc" + order));
							TenantContext.run("lisbon", () -> insert(context, "bc" + order));
						}

						@Override
						public void beforeCompletion() {
							TenantContext.run("porto", () -> insert(context, "bp" + order));
							TenantContext.run("lisbon", () -> insert(context, "bp" + order));
						}

						@Override
						public void afterCommit() {
							TenantContext.run("porto", () -> insert(context, "ac" + order));
							TenantContext.run("lisbon", () -> insert(context, "ac" + order));
						}

						@Override
						public void afterCompletion(int how) {
							TenantContext.run("porto", () -> insert(context, "ap" + order));
							TenantContext.run("lisbon", () -> insert(context, "ap" + order));
							told.add("done" + order);
						}
					});
				});
			}
			assertThat(told).hasSize(2);
		});
	}

	@Test
	void sessionOfASurroundingSynchronizationOutlastsItsScopeAndRefusesAnotherSource() {
		if (this.manager == Manager.JDBC) {
			return;
		}
		run((context) -> {
			TransactionTemplate supports = transaction(context, TransactionDefinition.PROPAGATION_SUPPORTS);
			EntityManager em = SharedEntityManagerCreator
				.createSharedEntityManager(context.getBean(EntityManagerFactory.class));
			supports.executeWithoutResult((status) -> {
				TenantContext.run("lisbon", () -> em.find(Note.class, "a"));
				assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("porto"))
					.withMessageContaining("session of source 'lisbon'");
				context.getBean(Notes.class).inPortoSuspending("b");
				TenantContext.run("lisbon", () -> em.find(Note.class, "a"));
			});
		});
	}

	@Test
	void suspendInSuspendInSuspend() {
		run((context) -> {
			More more = context.getBean(More.class);
			TransactionTemplate required = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			TransactionTemplate nested = transaction(context, TransactionDefinition.PROPAGATION_NESTED);
			TenantContext.run("lisbon", () -> required
				.executeWithoutResult((s1) -> more.suspending(() -> required.executeWithoutResult((s2) -> {
					insert(context, "p1");
					more.suspendingLisbon(() -> required.executeWithoutResult((s3) -> {
						insert(context, "l3");
						more.suspending(() -> required.executeWithoutResult((s4) -> s4.setRollbackOnly()));
						if (this.manager == Manager.JDBC) {
							nested.executeWithoutResult((s5) -> {
								insert(context, "l5");
								s5.setRollbackOnly();
							});
						}
					}));
					insert(context, "p2");
				}))));
			assertNotes(context, "lisbon", "l3");
			assertNotes(context, "porto", "p1", "p2");
		});
	}

	@Test
	void suspendFailingInTheMiddleLeavesTheOuterWhole() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			HikariDataSource other = context.getBean("unrelated", HikariDataSource.class);
			List<String> told = new ArrayList<>();
			context.getBean(Shops.class).inLisbon(() -> {
				JdbcClient.create(other).sql("INSERT INTO note VALUES ('o')").update();
				TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
					@Override
					public void suspend() {
						throw new IllegalStateException("cannot suspend");
					}

					@Override
					public void afterCommit() {
						told.add("c");
					}
				});
				assertThatIllegalStateException().isThrownBy(() -> context.getBean(Notes.class).inPortoSuspending("b"));
				insert(context, "c");
				JdbcClient.create(other).sql("INSERT INTO note VALUES ('o')").update();
			});
			assertThat(told).containsExactly("c");
			assertNotes(context, "lisbon", "a", "c");
			assertThat(other.getHikariPoolMXBean().getActiveConnections()).isZero();
		});
	}

	@Test
	void leftOpenEntityManagerOfASuspendingMethodIsClosed() {
		if (this.manager == Manager.JDBC) {
			return;
		}
		run((context) -> context.getBean(Shops.class).inLisbon(() -> context.getBean(More.class).suspending(() -> {
			EntityManagerFactory factory = context.getBean(EntityManagerFactory.class);
			EntityManager em = factory.createEntityManager();
			TransactionSynchronizationManager.bindResource(factory, new EntityManagerHolder(em));
			em.createNativeQuery("select 1").getSingleResult();
		})));
	}

	@Test
	void jdbcManagerBesideJpa() {
		if (this.manager == Manager.JDBC) {
			return;
		}
		run((context) -> {
			TransactionTemplate tx = new TransactionTemplate(
					new JdbcTransactionManager(context.getBean(RoutingDataSource.class)));
			EntityManager em = SharedEntityManagerCreator
				.createSharedEntityManager(context.getBean(EntityManagerFactory.class));
			TenantContext.run("lisbon", () -> tx.executeWithoutResult((status) -> {
				assertThat(em.find(Note.class, "a")).isNull();
				assertThatExceptionOfType(SourceSwitchException.class).isThrownBy(() -> TenantContext.enter("porto"));
				context.getBean(Entities.class)
					.inPortoSuspending("b", (inner) -> assertThat(inner.find(Note.class, "b")).isNotNull());
				context.getBean(Entities.class)
					.inPortoRequiresNew("c", (inner) -> assertThat(inner.find(Note.class, "b")).isNotNull());
				context.getBean(Notes.class).inPortoNotSupported("d");
				assertThat(em.find(Note.class, "b")).isNull();
				insert(context, "a");
			}));
			assertNotes(context, "lisbon", "a");
			assertNotes(context, "porto", "b", "c", "d");
		});
	}

	@Test
	void leftOpenTransactionWhereNothingWasSynchronizedLeavesNoSynchronization() {
		run((context) -> {
			context.getBean(Shops.class)
				.inLisbon(() -> TransactionSynchronizationManager
					.registerSynchronization(new TransactionSynchronization() {
						@Override
						public void afterCompletion(int status) {
							try {
								context.getBean(Notes.class).leaveOpenInPorto("b");
							}
							catch (SourceSwitchException ex) {
								assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
							}
						}
					}));
		});
	}

	@Test
	void afterCompletionKeepsTheStateOfTheTransaction() {
		run((context) -> {
			List<Object> told = new ArrayList<>();
			context.getBean(Shops.class)
				.inLisbon(() -> TransactionSynchronizationManager
					.registerSynchronization(new TransactionSynchronization() {
						@Override
						public void afterCompletion(int status) {
							told.add(TransactionSynchronizationManager.isActualTransactionActive() + " "
									+ TransactionSynchronizationManager.getCurrentTransactionName());
							context.getBean(Notes.class).inPortoRequiresNew("b");
							told.add(TransactionSynchronizationManager.isActualTransactionActive() + " "
									+ TransactionSynchronizationManager.getCurrentTransactionName());
						}
					}));
			assertThat(told.get(1)).isEqualTo(told.get(0));
		});
	}

	@Test
	void lazyProxyInAnUnrelatedTransactionMaySwitch() {
		this.configurations = new Class<?>[] { Unrelated.class };
		run((context) -> {
			TransactionTemplate unrelated = new TransactionTemplate(
					context.getBean("unrelatedTransactionManager", PlatformTransactionManager.class));
			for (int i = 0; i < 10; i++) {
				int n = i;
				LazyConnectionDataSourceProxy lazy = new LazyConnectionDataSourceProxy();
				lazy.setTargetDataSource(context.getBean(RoutingDataSource.class));
				lazy.setDefaultAutoCommit(true);
				lazy.setDefaultTransactionIsolationName("TRANSACTION_SERIALIZABLE");
				JdbcClient jdbc = JdbcClient.create(lazy);
				unrelated.executeWithoutResult((status) -> {
					TenantContext.run("lisbon", () -> jdbc.sql("INSERT INTO note VALUES (?)").param("a" + n).update());
					TenantContext.run("porto", () -> jdbc.sql("INSERT INTO note VALUES (?)").param("b" + n).update());
				});
			}
		});
	}

	@Test
	void nestedRefusedSwitchRollsBackToTheSavepointOnly() {
		if (this.manager == Manager.JPA) {
			return;
		}
		run((context) -> {
			TransactionTemplate nested = transaction(context, TransactionDefinition.PROPAGATION_NESTED);
			context.getBean(Shops.class).inLisbon(() -> {
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> nested.executeWithoutResult((status) -> {
						insert(context, "n");
						context.getBean(Notes.class).inPorto("b");
					}));
				nested.executeWithoutResult((status) -> {
					insert(context, "m");
					context.getBean(Notes.class).inPortoSuspending("b");
				});
			});
			assertNotes(context, "lisbon", "a", "m");
			assertNotes(context, "porto", "b");
		});
	}

	@Test
	void newTransactionOfAnotherTenantWhileTheOuterSourceIsRemoved() {
		run((context) -> {
			SourceRegistry registry = context.getBean(SourceRegistry.class);
			context.getBean(Shops.class).inLisbon(() -> {
				registry.remove("lisbon");
				context.getBean(Notes.class).inPortoRequiresNew("b");
				context.getBean(Notes.class).inPortoSuspending("c");
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> context.getBean(Notes.class).inPorto("d"));
				insert(context, "z");
			});
			registry.add(Sources.sqlite("lisbon", this.directory).build());
			assertNotes(context, "lisbon", "a", "z");
			assertNotes(context, "porto", "b", "c");
		});
	}

	@Test
	void workWithoutATenantOnItsDefault() {
		this.properties = new String[] { "app.tenancy.no-tenant=lisbon", "app.tenancy.routes[0].tenants=x*",
				"app.tenancy.routes[0].source=lisbon", "app.tenancy.routes[1].tenants=*",
				"app.tenancy.routes[1].source={tenant}" };
		run((context) -> {
			TransactionTemplate transaction = transaction(context, TransactionDefinition.PROPAGATION_REQUIRED);
			transaction.executeWithoutResult((status) -> {
				insert(context, "a");
				TenantContext.run("x1", () -> insert(context, "b"));
				assertThatExceptionOfType(SourceSwitchException.class)
					.isThrownBy(() -> context.getBean(Notes.class).inPorto("d"));
				context.getBean(Notes.class).inPortoSuspending("p");
				TenantContext.run("lisbon", () -> insert(context, "c"));
			});
			assertNotes(context, "lisbon", "a", "b", "c");
			assertNotes(context, "porto", "p");
		});
	}

	private static String[] shared() {
		return new String[] { "app.tenancy.routes[0].tenants=x*", "app.tenancy.routes[0].source=porto",
				"app.tenancy.routes[1].tenants=*", "app.tenancy.routes[1].source={tenant}" };
	}

	private void run(Consumer<ApplicationContext> test) {
		ApplicationContextRunner runner = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(MultiDbAutoConfiguration.class, DataSourceAutoConfiguration.class,
					DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
					JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class, AopAutoConfiguration.class))
			.withUserConfiguration(Beans.class)
			.withUserConfiguration(this.configurations)
			.withPropertyValues("app.datasources.lisbon.url=jdbc:sqlite:" + this.directory.resolve("lisbon.db"),
					"app.datasources.porto.url=jdbc:sqlite:" + this.directory.resolve("porto.db"),
					"test.directory=" + this.directory)
			.withPropertyValues(this.properties);
		if (this.manager == Manager.JPA) {
			runner = runner
				.withConfiguration(AutoConfigurations.of(MultiDbJpaAutoConfiguration.class,
						HibernateJpaAutoConfiguration.class, DataJpaRepositoriesAutoConfiguration.class))
				.withUserConfiguration(JpaBeans.class)
				.withPropertyValues("spring.jpa.hibernate.ddl-auto=none", "spring.jpa.open-in-view=false");
		}
		runner.run((context) -> {
			assertThat(context).hasNotFailed();
			assertThat(transactions(context)).isInstanceOf(
					(this.manager == Manager.JPA) ? JpaTransactionManager.class : JdbcTransactionManager.class);
			for (String tenant : List.of("lisbon", "porto")) {
				Sources.execute(context.getBean(SourceRegistry.class).get(tenant),
						"CREATE TABLE IF NOT EXISTS note (text VARCHAR(50) PRIMARY KEY)");
			}
			test.accept(context);
			assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
			assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
			assertThat(TenantContext.current()).isNull();
			for (String tenant : List.of("lisbon", "porto")) {
				// Fails if a connection is still out.
				Sources.assertIdle(context.getBean(SourceRegistry.class).get(tenant));
			}
		});
	}

	private static PlatformTransactionManager transactions(ApplicationContext context) {
		return context.getBean("transactionManager", PlatformTransactionManager.class);
	}

	private static TransactionTemplate transaction(ApplicationContext context, int propagation) {
		TransactionTemplate template = new TransactionTemplate(transactions(context));
		template.setPropagationBehavior(propagation);
		return template;
	}

	private static void insert(ApplicationContext context, String text) {
		context.getBean(JdbcClient.class).sql("INSERT INTO note VALUES (?)").param(text).update();
	}

	private static void assertNotes(ApplicationContext context, String tenant, String... texts) {
		TenantContext.run(tenant, () -> assertThat(
				context.getBean(JdbcClient.class).sql("SELECT text FROM note ORDER BY text").query(String.class).list())
			.as(tenant)
			.containsExactly(texts));
	}

	@Configuration(proxyBeanMethods = false)
	@Import({ Shops.class, Notes.class, More.class })
	static class Beans {

	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = Note.class)
	@EnableJpaRepositories(considerNestedRepositories = true, basePackageClasses = PortoNotes.class,
			includeFilters = @org.springframework.context.annotation.ComponentScan.Filter(
					type = org.springframework.context.annotation.FilterType.ASSIGNABLE_TYPE,
					classes = PortoNotes.class))
	@Import(Entities.class)
	static class JpaBeans {

	}

	@Configuration(proxyBeanMethods = false)
	@Import(LedgerNotes.class)
	static class Unrelated {

		@Bean(defaultCandidate = false)
		HikariDataSource unrelated(org.springframework.core.env.Environment environment) {
			HikariDataSource dataSource = new HikariDataSource();
			dataSource.setJdbcUrl(
					"jdbc:sqlite:" + Path.of(environment.getRequiredProperty("test.directory")).resolve("ledger.db"));
			JdbcClient.create(dataSource).sql("CREATE TABLE IF NOT EXISTS note (text VARCHAR(50))").update();
			return dataSource;
		}

		@Bean(defaultCandidate = false)
		JdbcTransactionManager unrelatedTransactionManager(@Qualifier("unrelated") DataSource unrelated) {
			return new JdbcTransactionManager(unrelated);
		}

	}

	@Transactional
	static class Shops {

		private final JdbcClient jdbc;

		Shops(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Tenant("lisbon")
		public void inLisbon(Runnable more) {
			this.jdbc.sql("INSERT INTO note VALUES ('a')").update();
			more.run();
		}

	}

	static class Notes {

		private final JdbcClient jdbc;

		private final PlatformTransactionManager transactions;

		Notes(JdbcClient jdbc, PlatformTransactionManager transactions) {
			this.jdbc = jdbc;
			this.transactions = transactions;
		}

		private void insert(String text) {
			this.jdbc.sql("INSERT INTO note VALUES (?)").param(text).update();
		}

		@Tenant("lisbon")
		@Transactional
		public void inLisbon(String text) {
			insert(text);
		}

		@Tenant("porto")
		@Transactional
		public void inPorto(String text) {
			insert(text);
		}

		@Tenant("porto")
		@Transactional(propagation = Propagation.REQUIRES_NEW)
		public void inPortoRequiresNew(String text) {
			insert(text);
		}

		@Tenant("porto")
		@Transactional(propagation = Propagation.NOT_SUPPORTED)
		public void inPortoNotSupported(String text) {
			insert(text);
		}

		@Tenant(value = "porto", transaction = OpenTransaction.SUSPEND)
		public void inPortoSuspending(String text) {
			insert(text);
		}

		@UseSource(value = "porto", transaction = OpenTransaction.SUSPEND)
		@Transactional
		public void onPortoSuspending(String text) {
			insert(text);
		}

		@Tenant(value = "porto", transaction = OpenTransaction.SUSPEND)
		@Transactional
		public void failInPorto() {
			throw new IllegalStateException("of the inner work");
		}

		@Tenant(value = "porto", transaction = OpenTransaction.SUSPEND)
		public void leaveOpenInPorto(String text) {
			this.transactions.getTransaction(null);
			insert(text);
		}

	}

	static class More {

		@Tenant(value = "porto", transaction = OpenTransaction.SUSPEND)
		public void suspending(Runnable work) {
			work.run();
		}

		@Tenant(value = "lisbon", transaction = OpenTransaction.SUSPEND)
		public void suspendingLisbon(Runnable work) {
			work.run();
		}

	}

	static class LedgerNotes {

		private final JdbcClient jdbc;

		LedgerNotes(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Tenant("porto")
		@Transactional(transactionManager = "unrelatedTransactionManager", propagation = Propagation.REQUIRES_NEW)
		public void inPorto(String text) {
			this.jdbc.sql("INSERT INTO note VALUES (?)").param(text).update();
		}

	}

	static class Entities {

		@PersistenceContext
		private EntityManager entityManager;

		@Tenant("lisbon")
		@Transactional
		public void inLisbon(String text, Consumer<EntityManager> more) {
			this.entityManager.persist(new Note(text));
			more.accept(this.entityManager);
		}

		@Tenant("porto")
		@Transactional(propagation = Propagation.REQUIRES_NEW)
		public void inPortoRequiresNew(String text, Consumer<EntityManager> more) {
			this.entityManager.persist(new Note(text));
			more.accept(this.entityManager);
		}

		@Tenant(value = "porto", transaction = OpenTransaction.SUSPEND)
		@Transactional
		public void inPortoSuspending(String text, Consumer<EntityManager> more) {
			this.entityManager.persist(new Note(text));
			more.accept(this.entityManager);
		}

	}

	@Tenant("porto")
	interface PortoNotes extends JpaRepository<Note, String> {

	}

	@Entity(name = "note")
	static class Note {

		@Id
		private String text;

		Note() {
		}

		Note(String text) {
			this.text = text;
		}

	}

}
