package io.multidb.catalog;

import java.time.Duration;

import org.jspecify.annotations.Nullable;

/**
 * The catalog in numbers, as this node sees it. An immutable snapshot.
 *
 * @param sources how many rows of sources it has, those too that are not active
 * @param revision the revision that was read last, or -1 if none was
 * @param age how long ago it was found to be read, or {@code null} if it never was
 * @param failures how often it could not be read, since the start
 */
public record CatalogFigures(int sources, long revision, @Nullable Duration age, long failures) {

}
