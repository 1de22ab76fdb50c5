/* Looks through the index of numbers and the records of all companies, a little at a time, and puts right what a worker
 * that died between a commit and the index has left: a number that nobody has any more is given back, one that the
 * index lacks is taken. Runs on router workers; several at once do no harm. */
#ifndef LEDIG_SERVICE_NUMBER_SWEEP_H
#define LEDIG_SERVICE_NUMBER_SWEEP_H

#include "broker/service/service.h"

#define NUMBER_SUSPECTS_MAX 4096 /* taken in vain, as it seems; others have to wait for a later round */

/* To be called now and then: makes the next step, where a round is under way or due. */
void number_sweep(struct service *service);

/* Frees what was kept; the store is closed. */
void number_sweep_close(struct service *service);

#endif
