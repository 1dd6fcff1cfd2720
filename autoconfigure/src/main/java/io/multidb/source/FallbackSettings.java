package io.multidb.source;

/**
 * Which source is used while another one is unavailable. Immutable.
 *
 * @param source the name of the source that is used then
 * @param readOnly whether it takes no writes from the other's tenants
 */
public record FallbackSettings(String source, boolean readOnly) {

	/**
	 * A fallback that takes no writes.
	 * @param source the name of the source
	 * @return the settings
	 */
	public static FallbackSettings readOnly(String source) {
		return new FallbackSettings(source, true);
	}

	/**
	 * A fallback that takes writes, which stay there.
	 * @param source the name of the source
	 * @return the settings
	 */
	public static FallbackSettings writable(String source) {
		return new FallbackSettings(source, false);
	}

}
