/* Times as people write them: `14:30`, `45m`, `tomorrow`, `mandag 10:00`, `2026-12-01T14:30`. Wall-clock times are
 * those of the process's time zone ($TZ). Pure but for that: the time of now is passed in. */
#ifndef LEDIG_CLI_WHEN_H
#define LEDIG_CLI_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEN_MORNING_HOUR 8 /* a day without a time means its morning */
#define WHEN_FORMATTED_BYTES 32
#define WHEN_STALE_BYTES 96

/* For messages: what when_parse takes. */
extern const char when_understood[];

/* A moment that lies ahead of `now_ms`. A time of day is the next such; a day of the week, too. A time that the clock
 * jumps over in spring is taken as if it had not jumped; of one that comes twice in autumn, the first that lies ahead.
 * LEDIG_EBAD_REQUEST: not understood. LEDIG_ECONFLICT: understood, but past. */
int when_parse(const char *text, int64_t now_ms, int64_t *at_ms);

/* `45m`, `2h`, `1h30m`, `7d`, `90s`. LEDIG_EBAD_REQUEST. */
int when_duration(const char *text, int64_t *ms);

/* The store confirms what it has once a second; what is older than this is told to be. */
#define WHEN_STALE_MS 3000

/* `(as of 5 s ago: the broker's store is away)`, or false where the age is no reason for a word. INT64_MAX = unknown.
 */
bool when_stale(int64_t age_ms, char to[static WHEN_STALE_BYTES]);

/* As short as `now_ms` allows: `14:30`, `tomorrow 08:00`, `Mon 08:00`, `2026-12-01 08:00`. */
void when_format(int64_t at_ms, int64_t now_ms, char to[static WHEN_FORMATTED_BYTES]);

#endif
