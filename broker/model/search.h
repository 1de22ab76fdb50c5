/* What somebody types who looks for a colleague: words that begin words of a name or a department, or a part of a
 * number. Letters count alike whether large or small, in ASCII and in the Latin-1 range of Unicode (æ, ø, å, é, …).
 * Pure.
 *
 * To look at a person costs some 80 to 130 ns, most of it memory that is far away. So each has marks, 24 bytes that
 * tell nearly all who cannot fit from the others, as long as what is typed differs within its first eight bytes. */
#ifndef LEDIG_MODEL_SEARCH_H
#define LEDIG_MODEL_SEARCH_H

#include "broker/model/numbering_plan.h"
#include "broker/model/record.h"

#define SEARCH_WORDS_MAX 8
#define SEARCH_BYTES_MAX (LEDIG_NAME_CHARS_MAX * 4 + 1)

struct search_marks {  /* sets of 128 and of 64, of what a search may need */
    uint64_t words[2]; /* how words begin, by up to eight bytes */
    uint64_t digits;   /* which digits stand beside each other in numbers */
};

struct search {
    char text[SEARCH_BYTES_MAX]; /* folded, its words ended by zeros */
    const char *words[SEARCH_WORDS_MAX];
    size_t word_count;
    char digits[LEDIG_NUMBER_CHARS_MAX + 1]; /* where it can be a number; "" = it cannot */
    struct search_marks needs;
    uint64_t needs_begins;        /* the marks of `begins` */
    char begins[NUMBERING_BYTES]; /* the same as a number in E.164 begins that is dialled so; "" = not known */
};

/* `text` is valid UTF-8 of at most LEDIG_NAME_CHARS_MAX characters; words beyond the most are left out. `plan` is the
 * one by which it dials; NULL = none. */
void search_begin(struct search *search, const char *text, const struct numbering_plan *plan);

enum search_rank { SEARCH_NAME, SEARCH_WORD, SEARCH_ELSEWHERE, SEARCH_NONE }; /* the best first */

/* How well the person fits: the name begins so; a later word of it does; the number, the department or the id. */
enum search_rank search_rank(const struct search *search, const struct profile_record *profile);

struct search_marks search_marks(const struct profile_record *profile);

/* False: search_rank would be SEARCH_NONE. */
bool search_may_fit(const struct search *search, const struct search_marks *marks);

#endif
