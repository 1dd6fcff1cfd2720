package io.multidb.sample.courts;

/**
 * An opinion, as a court's database tells of it.
 *
 * @param title its title
 * @param relevance how well it answers what was asked; more is better
 */
record Opinion(String title, double relevance) {
}
