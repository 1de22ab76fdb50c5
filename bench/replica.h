/* What the replica of a company takes in a worker's memory, measured: with several workers each has one of each company
 * that it serves, which says nothing about what a connection costs. */
#ifndef LEDIG_BENCH_REPLICA_H
#define LEDIG_BENCH_REPLICA_H

#include "bench/scenario.h"

/* Growth of a worker's resident memory with all companies loaded and nobody connected. Takes the router worker for it,
 * which is ended, comes up afresh, and loads each company when it is asked about it more than once. Only for a broker
 * of one's own, when nothing else is measured. Blocks; 0, or an error after a complaint. */
int replica_measure(struct scenario *scenario, int64_t *bytes);

/* How many replicas all app workers are expected to have together: a worker has one of each company of which at least
 * one connection came to it, and each connection comes to any of them. */
double replica_expected(const struct group *groups, size_t count, uint32_t workers);

#endif
