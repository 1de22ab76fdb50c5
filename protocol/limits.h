/* Every limit of the wire in one place, with its reason. Sizes are in bytes unless the name says otherwise. */
#ifndef LEDIG_PROTOCOL_LIMITS_H
#define LEDIG_PROTOCOL_LIMITS_H

#define LEDIG_MESSAGE_BYTES_MAX 65536 /* one message, either way: bounds what a peer can make us hold */
#define LEDIG_DEPTH_MAX 6             /* nesting of maps and arrays; the deepest message needs 4 */
#define LEDIG_FIELDS_COUNT_MAX 128    /* fields of one map; bounds the search for a field given twice */
#define LEDIG_ID_CHARS_MAX 64         /* company, user, queue: [a-z0-9._-]{1,64} */
#define LEDIG_TOKEN_CHARS_MAX 4096    /* a signed JWT of an identity provider with many claims */
#define LEDIG_NOTE_CHARS_MAX 200      /* a note is a line on a phone's screen */
#define LEDIG_NAME_CHARS_MAX 120      /* a person's, department's, queue's or company's name */
#define LEDIG_NUMBER_CHARS_MAX 32     /* E.164 is 16 with its plus; room for blanks as people write them */
#define LEDIG_WORD_CHARS_MAX 32       /* status, activity, purpose, kind, reason */
#define LEDIG_DEVICE_CHARS_MAX 64     /* an installation's or tab's own id, and its texts about itself */
#define LEDIG_ASK_COUNT_MAX 1000      /* users, numbers and queues of one `ask` together */
#define LEDIG_FOLLOW_COUNT_MAX 5000   /* ids in one `follow`; whoever wants more follows all */
#define LEDIG_NUMBERS_COUNT_MAX 16    /* numbers of one person or queue */
#define LEDIG_QUEUES_COUNT_MAX 64     /* queues of one person */
#define LEDIG_ROUTE_COUNT_MAX 1000    /* numbers of one `route` */
#define LEDIG_LEGS_COUNT_MAX 20       /* of one call: those that ring_all rings, and a conference */
#define LEDIG_EXCLUDE_COUNT_MAX 64    /* whom one call has already rung */
#define LEDIG_VIA_COUNT_MAX 8         /* steps of a forward; more is a circle */
#define LEDIG_ROWS_COUNT_MAX 16384    /* rows in one frame: 64 KiB holds no more */

#endif
