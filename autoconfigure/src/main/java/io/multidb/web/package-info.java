/**
 * HTTP: the filter that makes a request's tenant current, the resolvers that find it, and
 * the answers when it is missing, unknown or unavailable.
 */
@NullMarked
package io.multidb.web;

import org.jspecify.annotations.NullMarked;
