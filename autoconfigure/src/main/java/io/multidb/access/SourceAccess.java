package io.multidb.access;

import org.jspecify.annotations.Nullable;

import io.multidb.Operation;

/**
 * A rule about who may use which source. A bean of this type puts access control in
 * force; of several, all must allow.
 * <p>
 * Asked before a tenant's work begins (by the servlet filter and {@code @Tenant}) and
 * again for every connection, and for each other tenant of its source that one is used
 * for; nothing is remembered in between, so that a right that was taken away ends with
 * the connections that are open. It is therefore asked often, by many threads: an answer
 * that has to be fetched from elsewhere should be kept for a while, under all that it was
 * asked with, and never for another user. Connections that a rule takes itself while it
 * decides are not asked about, and are apart from the transaction in which it is asked;
 * they are of a source that it names, as a tenant that nobody was permitted to use yet is
 * neither placed nor made known for a rule. What it throws is thrown to who wanted the
 * connection, which is then not opened.
 */
@FunctionalInterface
public interface SourceAccess {

	/**
	 * Decides.
	 * @param user the user's name, or {@code null} if nobody is known, as in a scheduled
	 * job or for somebody who has not logged in
	 * @param tenant the tenant whose route leads to the source, or {@code null} for work
	 * on the whole of a source that was named directly. Many tenants may share a source:
	 * who may use a source may not, for that alone, use each of them
	 * @param source the source's name; a name that no source bears is asked about, too,
	 * so that refusals do not tell which exist. For a tenant without a route it is the
	 * tenant's id
	 * @param operation what is wanted; who may not write is asked about again, to read
	 * @return the decision
	 */
	AccessDecision decide(@Nullable String user, @Nullable String tenant, String source, Operation operation);

}
