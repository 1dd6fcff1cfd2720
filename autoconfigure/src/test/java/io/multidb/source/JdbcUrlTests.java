package io.multidb.source;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Iterator;
import java.util.List;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.Driver;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Tests for {@link JdbcUrl}.
 */
class JdbcUrlTests {

	@ParameterizedTest
	@CsvSource({
			"jdbc:postgresql://h/db?user=a&password=s3cret&ssl=true, jdbc:postgresql://h/db?user=a&password=***&ssl=true",
			"jdbc:postgresql://h/db?sslPassword=s3cret, jdbc:postgresql://h/db?sslPassword=***",
			"jdbc:mysql://root:s3cret@h/db, jdbc:mysql://root:***@h/db",
			"jdbc:sqlserver://h;user=a;password=s3cret;x=1, jdbc:sqlserver://h;user=a;password=***;x=1",
			"jdbc:oracle:oci:me/s3cret@db, jdbc:oracle:oci:me/***@db",
			"jdbc:db2://h:50000/db:user=me;password=s3cret;, jdbc:db2://h:50000/db:user=me;password=***;",
			"jdbc:sqlserver://h;password={ti;s3cret};x=1, jdbc:sqlserver://h;password=***;x=1",
			"jdbc:oracle:thin:me/s3cret@h:1521/db, jdbc:oracle:thin:me/***@h:1521/db",
			"jdbc:postgresql://h/db?password=ab;s3cret&x=1, jdbc:postgresql://h/db?password=***&x=1",
			"jdbc:mysql://u:ti/s3cret@h/db, jdbc:mysql://u:***@h/db",
			"jdbc:mysql://root:s3:cr@et@h/db, jdbc:mysql://root:***@h/db",
			"jdbc:cosmos://h;AccountKey=s3cret==;x=1, jdbc:cosmos://h;AccountKey=***;x=1",
			"jdbc:snow://h/?private_key_base64=s3cret&PassCode=s3cret, jdbc:snow://h/?private_key_base64=***&PassCode=***",
			"jdbc:postgresql://h/db?p%61ssword=s3cret, jdbc:postgresql://h/db?p%61ssword=***",
			"jdbc:postgresql://h/db?options=-c%20a.token%3Ds3cret, jdbc:postgresql://h/db?options=***",
			"jdbc:mysql://h/db?x=1;password=s3cret&y=2, jdbc:mysql://h/db?x=***&y=2",
			"jdbc:postgresql://h/db?sslkey=/me.key&currentSchema=a, jdbc:postgresql://h/db?sslkey=/me.key&currentSchema=a",
			"jdbc:sqlserver://h;keyStoreLocation=/a b;x=1, jdbc:sqlserver://h;keyStoreLocation=/a%20b;x=1",
			"jdbc:sqlite:data/main.db, jdbc:sqlite:data/main.db" })
	void masksSecrets(String url, String masked) {
		assertThat(new JdbcUrl(url).masked()).isEqualTo(masked);
		assertThat(new JdbcUrl(url)).hasToString(masked);
		assertThat(JdbcUrl.mask("cannot connect to " + url)).doesNotContain("s3cret");
	}

	@Test
	void masksSecretsWithWhiteSpaceInThem() {
		assertThat(new JdbcUrl("jdbc:mysql://me:s3 cr#et@h/db?password=s3 c;r&a=b c").masked())
			.isEqualTo("jdbc:mysql://me:***@h/db?password=***&a=b%20c");
		assertThat(new JdbcUrl("jdbc:x://h;Access Key=s3 c&r;a=1").masked()).isEqualTo("jdbc:x://h;Access Key=***;a=1");
	}

	@Test
	void knowsWhetherItHasSecrets() {
		assertThat(new JdbcUrl("jdbc:mysql://h/db?password=a").hasSecrets()).isTrue();
		assertThat(new JdbcUrl("jdbc:mysql://me:a@h/db").hasSecrets()).isTrue();
		assertThat(new JdbcUrl("jdbc:mysql://h/db?a=b c").hasSecrets()).isFalse();
	}

	@Test
	void hidesOtherValuesWhereTheyMayNotBeSeen() {
		assertThat(new JdbcUrl("jdbc:x://h/db?vault=a b;c&password=d").masked((name, value) -> name + value.length()))
			.isEqualTo("jdbc:x://h/db?vault=vault5&password=***");
		assertThat(JdbcUrl.mask("No way to jdbc:x://h;vault=a&b;x=c, again", (name, value) -> "-"))
			.isEqualTo("No way to jdbc:x://h;vault=-;x=- again");
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbc:x://h/db?a=b&password=s3cret", "jdbc:x://h;a=b;key=s3cret",
			"jdbc:x://me:s3cret@h/db", "jdbc:x://(host=h,password=s3cret)", "jdbc:x://h/db?options=-c%20token=s3cret" })
	void whatIsMaskedIsLeftAsItIs(String url) {
		JdbcUrl secret = new JdbcUrl(url);
		for (String sentence : List.of("No way to " + secret + ": refused", "No way to '" + secret + "'.",
				"(" + secret + "), again", secret + ", " + secret)) {
			assertThat(JdbcUrl.mask(sentence)).isEqualTo(sentence);
			Exception failure = new IllegalStateException(sentence);
			assertThat(JdbcUrl.mask(failure)).isSameAs(failure);
			assertThat(SourceDefinition.named("a").url(url).build().masked(failure)).isSameAs(failure);
		}
	}

	@Test
	void namesTheServerWithoutSecrets() {
		assertThat(new JdbcUrl("jdbc:mysql://(host=h,password=s3cret)/db").server()).isEqualTo("(host=h,password=***)");
	}

	@Test
	void masksSecretsInBrackets() {
		assertThat(new JdbcUrl("jdbc:mysql://(host=h,user=u,password=s3cret)/db").masked())
			.isEqualTo("jdbc:mysql://(host=h,user=u,password=***)/db");
		assertThat(new JdbcUrl("jdbc:mysql://address=(host=h)(password=s3cret)/db").masked())
			.isEqualTo("jdbc:mysql://address=(host=h)(password=***)/db");
	}

	@ParameterizedTest
	@CsvSource({ "jdbc:sqlite:a.db, jdbc:sqlite:./x/../a.db", "jdbc:sqlite:a.db, jdbc:sqlite:a.db?cache=shared",
			"jdbc:postgresql://H/db, jdbc:postgresql://h:5432/db?ssl=true",
			"jdbc:postgresql:db, jdbc:postgresql://localhost/db", "jdbc:postgresql:db, jdbc:postgresql:///db",
			"jdbc:postgresql://h/a?currentSchema=b, jdbc:postgresql://h/a?currentSchema=a&currentSchema=%62",
			"jdbc:postgresql://h/a?options=-c%20x, jdbc:postgresql://h/a?options=-c+x",
			"jdbc:postgresql://h/a, jdbc:postgresql://x/b?PGHOST=h&dbname=a",
			"jdbc:mysql://h/a, jdbc:mysql://u:p@H:3306/b?ssl=1&%64bname=a",
			"jdbc:mariadb://h/a?x=y, jdbc:mariadb://h:3306/a" })
	void recognisesTheSameDatabase(String one, String other) {
		assertThat(new JdbcUrl(one).databaseKey()).isEqualTo(new JdbcUrl(other).databaseKey());
	}

	@ParameterizedTest
	@CsvSource({ "jdbc:sqlite:a.db, jdbc:sqlite:b.db", "jdbc:postgresql://h/a, jdbc:postgresql://h/b",
			"jdbc:postgresql://h/a, jdbc:postgresql://h:5433/a",
			"jdbc:postgresql://h/a?currentSchema=x, jdbc:postgresql://h/a?currentSchema=y",
			"jdbc:postgresql://h/a?currentSchema=x&currentSchema=y, jdbc:postgresql://h/a?currentSchema=x",
			"jdbc:postgresql://h/a?dbname=b, jdbc:postgresql://h/a", "jdbc:mysql://h/a?dbname=b, jdbc:mysql://h/a",
			"jdbc:mysql://h/a, jdbc:mysql://h:3307/a", "jdbc:mariadb://h/a?dbname=b, jdbc:mariadb://h/b",
			"jdbc:mysql://(host=h)/a, jdbc:mysql://(host=i)/a" })
	void tellsDatabasesApart(String one, String other) {
		assertThat(new JdbcUrl(one).databaseKey()).isNotEqualTo(new JdbcUrl(other).databaseKey());
	}

	@ParameterizedTest
	@CsvSource({ "jdbc:postgresql://h:1/db?a=b, db, jdbc:postgresql://h:1/x?a=b",
			"jdbc:postgresql:db, db, jdbc:postgresql:x", "jdbc:postgresql://h/a%2Db, a-b, jdbc:postgresql://h/x",
			"jdbc:postgresql://h/, '', jdbc:postgresql://h/x" })
	void readsAndReplacesTheDatabaseName(String url, String name, String replaced) {
		assertThat(new JdbcUrl(url).databaseName()).isEqualTo(name);
		assertThat(new JdbcUrl(url).withDatabaseName("x").text()).isEqualTo(replaced);
	}

	@Test
	void replacesTheFileAndKeepsTheParameters() {
		assertThat(new JdbcUrl("jdbc:sqlite:a.db?x=1").withSqliteFile(Path.of("b.db")).text())
			.isEqualTo("jdbc:sqlite:b.db?x=1");
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			jdbc:postgresql://DB1/a                                  | db1:5432
			jdbc:postgresql://db1:6432,db2/a?ssl=true                | db1:6432,db2:5432
			jdbc:postgresql:a                                        | localhost:5432
			jdbc:postgresql://me:secret@DB1/a                        | db1:5432
			jdbc:mysql://me:sec/ret@db1/a                            | db1
			jdbc:mysql://me:secret@DB1:3306/a?x=//y                  | db1:3306
			jdbc:sqlserver://db1:1433;databaseName=a                 | db1:1433
			jdbc:oracle:thin:@db1:1521/a                             | db1:1521
			jdbc:oracle:thin:@//db1:1521/a                           | db1:1521
			jdbc:sqlite:a.db                                         |
			jdbc:h2:mem:a                                            |
			""")
	void namesTheServer(String url, String server) {
		assertThat(new JdbcUrl(url).server()).isEqualTo(server);
	}

	@ParameterizedTest
	@ValueSource(strings = { "?currentSchema=a&currentSchema=%62", "?currentSchema=%62&currentSchema=a",
			"?currentSchema=a+b%2Bc", "?currentSchema&x=1", "?currentSchema=a=b", "?currentSchema=", "?CurrentSchema=a",
			"?%63urrentSchema=a", "?currentSchema=a&", "?dbname=x", "?PGDBNAME=%78&DBName=y", "?pgdbname=x",
			"?host=DB2&port=6432", "?PGHOST=db2,db3&PGPORT=1,2", "?HOST=db2", "?port=1", "" })
	void readsWhatThePostgresqlDriverReads(String parameters) {
		for (String before : List.of("//DB1:5433/a+b%2Dc", "//db1/a", "//:5433/a", "//[::1]/a", "a")) {
			JdbcUrl url = new JdbcUrl("jdbc:postgresql:" + before + parameters);
			Properties read = Driver.parseURL(url.text(), null);
			if (read == null) {
				// Not as many hosts as ports
				continue;
			}
			assertThat(url.schema()).as(url.text()).isEqualTo(read.getProperty("currentSchema"));
			assertThat(url.databaseName()).as(url.text()).isEqualTo(read.getProperty("PGDBNAME"));
			String[] ports = read.getProperty("PGPORT").split(",");
			Iterator<String> hosts = Stream.of(read.getProperty("PGHOST").split(",")).iterator();
			assertThat(url.server()).as(url.text())
				.isEqualToIgnoringCase(
						Stream.of(ports).map((port) -> hosts.next() + ":" + port).collect(Collectors.joining(",")));
			JdbcUrl other = url.withDatabaseName("other");
			assertThat(Driver.parseURL(other.text(), null)).as(other.text()).isEqualTo(with(read, "PGDBNAME", "other"));
			assertThat(other.databaseName()).isEqualTo("other");
		}
	}

	private static Properties with(Properties properties, String name, String value) {
		Properties changed = new Properties();
		changed.putAll(properties);
		changed.setProperty(name, value);
		return changed;
	}

	@Test
	void whatThePostgresqlDriverCannotReadIsLeftAsItIs() {
		JdbcUrl url = new JdbcUrl("jdbc:postgresql://db1/a%zz?currentSchema=%");
		assertThat(Driver.parseURL(url.text(), null)).isNull();
		assertThat(url.databaseName()).isEqualTo("a%zz");
		assertThat(url.schema()).isEqualTo("%");
	}

	@ParameterizedTest
	@ValueSource(strings = { "busy_timeout=1&busy_timeout=2", "busy_timeout=1&BUSY_TIMEOUT=2", " Busy_Timeout = 2 ",
			"busy_timeout=2&busy_timeout==3", "busy_timeout=1&&busy_timeout=2=3", "cache_size=1&busy_timeout=2" })
	void readsWhatTheSqliteDriverReads(String parameters) throws SQLException {
		JdbcUrl url = new JdbcUrl("jdbc:sqlite:?" + parameters);
		assertThat(url.parameter("busy_timeout")).isEqualTo("2");
		try (Connection connection = DriverManager.getConnection(url.text())) {
			assertThat(Sources.query(connection, "pragma busy_timeout")).isEqualTo("2");
		}
		assertThat(url.withoutParameter("busy_timeout").parameter("busy_timeout")).isNull();
	}

	@Test
	void keepsWhatElseIsBesideAParameterThatIsLeftOut() {
		JdbcUrl url = new JdbcUrl("jdbc:sqlite:a.db?cache=shared&journal_mode=wal&Journal_Mode=off&x=y");
		assertThat(url.withoutParameter("journal_mode").text()).isEqualTo("jdbc:sqlite:a.db?cache=shared&x=y");
		assertThat(url.withoutParameter("journal").text()).isEqualTo(url.text());
	}

}
