/* Times as people write them: `14:30`, `45m`, `tomorrow`, `mandag 10:00`, `2026-12-01T14:30`. Wall-clock times are
 * those of the process's time zone ($TZ). Pure but for that: the time of now is passed in. */
#ifndef LEDIG_CLI_WHEN_H
#define LEDIG_CLI_WHEN_H

#include <stddef.h>
#include <stdint.h>

#define WHEN_MORNING_HOUR 8 /* a day without a time means its morning */
#define WHEN_FORMATTED_BYTES 32

/* For messages: what when_parse takes. */
extern const char when_understood[];

/* A moment that lies ahead of `now_ms`. A time of day is the next such; a day of the week, too. A time that the clock
 * jumps over in spring is taken as if it had not jumped; of one that comes twice in autumn, the first that lies ahead.
 * LEDIG_EBAD_REQUEST: not understood. LEDIG_ECONFLICT: understood, but past. */
int when_parse(const char *text, int64_t now_ms, int64_t *at_ms);

/* `45m`, `2h`, `1h30m`, `7d`, `90s`. LEDIG_EBAD_REQUEST. */
int when_duration(const char *text, int64_t *ms);

/* As short as `now_ms` allows: `14:30`, `tomorrow 08:00`, `Mon 08:00`, `2026-12-01 08:00`. */
void when_format(int64_t at_ms, int64_t now_ms, char to[static WHEN_FORMATTED_BYTES]);

#endif
