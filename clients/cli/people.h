/* Colleagues as a terminal shows them: names from the directory, the last row of each, one line for each change that
 * can be seen. Owns copies of everything. */
#ifndef LEDIG_CLI_PEOPLE_H
#define LEDIG_CLI_PEOPLE_H

#include "clients/c/ledig.h"
#include "clients/cli/terminal.h"

struct people;

struct people *people_create(void); /* NULL when out of memory */
void people_free(struct people *people);

/* Takes a row and keeps it; false when out of memory. Rows of queues are not for here. */
bool people_take(struct people *people, const struct ledig_change *change);

/* Whether anything is known of this user. */
bool people_has(const struct people *people, const char *user);

/* What is not taken again until people_settle has gone. */
void people_doubt(struct people *people);

/* Prints everyone who looks other than when last printed, by name, and drops who has gone. `since`: the time in front
 * is that of the row and not of now. Returns how many there are. */
size_t people_settle(struct people *people, struct terminal *terminal, int64_t now_ms, bool since);

/* Prints this user if there is something new to see. */
void people_print(struct people *people, const char *user, struct terminal *terminal, int64_t now_ms);

/* One queue's line. */
void queue_print(const struct ledig_queue *queue, struct terminal *terminal, int64_t now_ms);

#endif
