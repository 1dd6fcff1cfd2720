package io.multidb;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.Temporal;
import java.util.Date;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeJars;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

/**
 * Keeps the packages apart: who may know whom, and which names say nothing.
 */
@AnalyzeClasses(packages = "io.multidb", importOptions = { DoNotIncludeTests.class, DoNotIncludeJars.class })
class RoomsTests {

	/**
	 * A package that does not exist yet breaks no rule.
	 */
	private static final boolean EMPTY_IS_FINE = true;

	@ArchTest
	static final ArchRule rootKnowsNothingBelowIt = noClasses().that()
		.resideInAPackage("io.multidb")
		.should()
		.dependOnClassesThat()
		.resideInAPackage("io.multidb.*..")
		.because("authors touch the root package, and it must stay small enough for one screen");

	@ArchTest
	static final ArchRule sourceDoesNotKnowRouting = noClasses().that()
		.resideInAPackage("io.multidb.source..")
		.should()
		.dependOnClassesThat()
		.resideInAPackage("io.multidb.routing..")
		.because("a source lives without knowing who is routed to it")
		.allowEmptyShould(EMPTY_IS_FINE);

	@ArchTest
	static final ArchRule nothingDependsOnAutoconfigure = noClasses().that()
		.resideOutsideOfPackage("io.multidb.autoconfigure..")
		.should()
		.dependOnClassesThat()
		.resideInAPackage("io.multidb.autoconfigure..")
		.because("the library can be wired by hand");

	@ArchTest
	static final ArchRule onlyAutoconfigureKnowsBootsAutoConfiguration = noClasses().that()
		.resideOutsideOfPackage("io.multidb.autoconfigure..")
		.should()
		.dependOnClassesThat()
		.resideInAnyPackage("org.springframework.boot.autoconfigure..", "org.springframework.boot.*.autoconfigure..")
		.because("conditions and their ordering belong in one place");

	@ArchTest
	static final ArchRule noCycles = slices().matching("io.multidb.(*)..")
		.should()
		.beFreeOfCycles()
		.allowEmptyShould(EMPTY_IS_FINE);

	@ArchTest
	static final ArchRule packagesAreNamedAfterThings = noClasses().should()
		.resideInAnyPackage("..util..", "..utils..", "..common..", "..impl..", "..manager..", "..helper..")
		.because("such a package says nothing about what is in it");

	@ArchTest
	static final ArchRule classesAreNamedAfterThings = noClasses().should()
		.haveNameMatching(".*(Utils?|Helper|Manager|Impl)")
		.because("such a name says nothing about what the class does");

	@ArchTest
	static final ArchRule theClockOnTheWallDecidesNothing = noClasses().that()
		.doNotHaveFullyQualifiedName("io.multidb.source.SqliteCreator")
		.and()
		.doNotHaveFullyQualifiedName("io.multidb.source.PostgresCreator")
		.should()
		.callMethodWhere(target(owner(assignableTo(Instant.class)))
			.and(target(nameMatching("isBefore|isAfter|compareTo|until|toEpochMilli|getEpochSecond"))))
		.orShould()
		.callMethod(Duration.class, "between", Temporal.class, Temporal.class)
		.orShould()
		.callMethod(System.class, "currentTimeMillis")
		.orShould()
		.callConstructor(Date.class)
		.because("it may be set at any time: measure by System.nanoTime() and only show an Instant;"
				+ " the two tell by it how old a dead process's leftovers are, of which none is used");

}
