package io.multidb.catalog;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class CatalogCredentialsTests {

	private static final String SECRET = "s3cr3t-päss";

	private static final String OLD = Base64.getEncoder().encodeToString(new byte[32]);

	private static final String NEW = Base64.getEncoder()
		.encodeToString("0123456789abcdef".getBytes(StandardCharsets.UTF_8));

	private static CatalogCredentials with(Map<String, String> keys, String active) {
		return new CatalogCredentials(List.of("COURTS_"),
				Map.of("COURTS_NY", SECRET, "COURTS_EMPTY", "", "ADMIN", "x")::get, keys, active, false);
	}

	private final CatalogCredentials credentials = with(Map.of("k1", OLD), "k1");

	@Test
	void aReferenceIsFollowedAndKept() {
		assertThat(this.credentials.resolve("ny", "${COURTS_NY}")).isEqualTo(SECRET);
		assertThat(this.credentials.store("ny", "${COURTS_NY}")).isEqualTo("${COURTS_NY}");
	}

	@Test
	void noPasswordIsNone() {
		assertThat(this.credentials.resolve("ny", null)).isNull();
		assertThat(this.credentials.resolve("ny", "")).isNull();
		assertThat(this.credentials.store("ny", null)).isNull();
	}

	@ParameterizedTest
	@ValueSource(strings = { "${ADMIN}", "${COURTS_NONE}", "${COURTS_EMPTY}", "${COURTS_NY:default}", "#{1+1}",
			"${courts_ny}", "${COURTS_NY}${ADMIN}", "${${COURTS_NY}}", "plain", "{aes-gcm:k1}", "{aes-gcm:k1}AAAA",
			"{aes-gcm:k2}AAAA", "{aes-gcm:}AAAA", "{aes-gcm:k1}===", "{cipher}abc" })
	void whateverElseIsRefused(String text) {
		assertThatIllegalArgumentException().isThrownBy(() -> this.credentials.resolve("ny", text))
			.withMessageMatching("(is|refers|does) .*")
			.satisfies((ex) -> assertThat(ex.getMessage()).doesNotContain(SECRET, "plain", "AAAA"));
	}

	@Test
	void aPasswordIsEncryptedAnewEachTimeAndDecrypted() {
		Set<String> texts = new HashSet<>();
		for (int i = 0; i < 100; i++) {
			String text = this.credentials.store("ny", SECRET);
			assertThat(text).startsWith("{aes-gcm:k1}").doesNotContain(SECRET);
			assertThat(this.credentials.resolve("ny", text)).isEqualTo(SECRET);
			texts.add(text);
		}
		assertThat(texts).as("a nonce is never used twice").hasSize(100);
	}

	@Test
	void aCipherTextThatIsCopiedToAnotherRowDoesNotDecrypt() {
		String text = this.credentials.store("ny", SECRET);
		assertThatIllegalArgumentException().isThrownBy(() -> this.credentials.resolve("ca", text))
			.withMessageContaining("for a source of another name");
		assertThatIllegalArgumentException().isThrownBy(() -> this.credentials.store("ca", text));
	}

	@Test
	void aCipherTextThatWasChangedDoesNotDecrypt() {
		String text = this.credentials.store("ny", SECRET);
		byte[] bytes = Base64.getDecoder().decode(text.substring(text.indexOf('}') + 1));
		for (int i = 0; i < bytes.length; i++) {
			byte[] changed = bytes.clone();
			changed[i] ^= 1;
			assertThatIllegalArgumentException().isThrownBy(
					() -> this.credentials.resolve("ny", "{aes-gcm:k1}" + Base64.getEncoder().encodeToString(changed)));
		}
	}

	@Test
	void aWrongKeyDoesNotDecrypt() {
		String text = this.credentials.store("ny", SECRET);
		assertThatIllegalArgumentException().isThrownBy(() -> with(Map.of("k1", NEW), "k1").resolve("ny", text))
			.withMessageContaining("does not decrypt with the key 'k1'");
	}

	@Test
	void afterARotationFormerKeysStillDecryptAndSavingUsesTheNewOne() {
		String text = this.credentials.store("ny", SECRET);
		CatalogCredentials rotated = with(Map.of("k1", OLD, "k2", NEW), "k2");
		assertThat(rotated.resolve("ny", text)).isEqualTo(SECRET);
		String again = rotated.store("ny", text);
		assertThat(again).startsWith("{aes-gcm:k2}");
		assertThat(with(Map.of("k2", NEW), "k2").resolve("ny", again)).isEqualTo(SECRET);
	}

	@Test
	void withoutAnActiveKeyNothingReadableIsSaved() {
		assertThatIllegalArgumentException().isThrownBy(() -> with(Map.of("k1", OLD), null).store("ny", SECRET))
			.satisfies((ex) -> assertThat(ex.getMessage()).doesNotContain(SECRET));
		String text = this.credentials.store("ny", SECRET);
		assertThat(with(Map.of("k1", OLD), null).store("ny", text)).isEqualTo(text);
	}

	@Test
	void readablePasswordsAreForThoseWhoAskForThem() {
		CatalogCredentials plain = new CatalogCredentials(List.of(), (name) -> null, Map.of(), null, true);
		assertThat(plain.resolve("ny", SECRET)).isEqualTo(SECRET);
		assertThat(plain.store("ny", SECRET)).isEqualTo(SECRET);
	}

	@Test
	void keysThatAreNoneAreRefusedWithoutBeingShown() {
		for (String key : List.of("", "nonsense!", Base64.getEncoder().encodeToString(new byte[31]))) {
			assertThatIllegalArgumentException().isThrownBy(() -> with(Map.of("k1", key), "k1"))
				.satisfies((ex) -> assertThat(ex.getMessage()).contains("keys.k1").doesNotContain("nonsense"));
		}
		assertThatIllegalArgumentException().isThrownBy(() -> with(Map.of("k1", OLD), "k2"));
		assertThatIllegalArgumentException()
			.isThrownBy(() -> new CatalogCredentials(List.of(""), (name) -> null, Map.of(), null, false));
		assertThat(this.credentials.toString()).contains("k1").doesNotContain(OLD);
	}

}
