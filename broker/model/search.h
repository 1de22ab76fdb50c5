/* What somebody types who looks for a colleague: words that begin words of a name or a department, or a part of a
 * number. Letters count alike whether large or small, in ASCII and in the Latin-1 range of Unicode (æ, ø, å, é, …).
 * Pure. All are looked at, for some 80 to 130 ns each: 50,000 people hold the loop for 4 to 7 ms (seen with -O2). */
#ifndef LEDIG_MODEL_SEARCH_H
#define LEDIG_MODEL_SEARCH_H

#include "broker/model/numbering_plan.h"
#include "broker/model/record.h"

#define SEARCH_WORDS_MAX 8
#define SEARCH_BYTES_MAX (LEDIG_NAME_CHARS_MAX * 4 + 1)

struct search {
    char text[SEARCH_BYTES_MAX]; /* folded, its words ended by zeros */
    const char *words[SEARCH_WORDS_MAX];
    size_t word_count;
    char digits[LEDIG_NUMBER_CHARS_MAX + 1]; /* where it can be a number; "" = it cannot */
    char begins[NUMBERING_BYTES]; /* the same as a number in E.164 begins that is dialled so; "" = not known */
};

/* `text` is valid UTF-8 of at most LEDIG_NAME_CHARS_MAX characters; words beyond the most are left out. `plan` is the
 * one by which it dials; NULL = none. */
void search_begin(struct search *search, const char *text, const struct numbering_plan *plan);

enum search_rank { SEARCH_NAME, SEARCH_WORD, SEARCH_ELSEWHERE, SEARCH_NONE }; /* the best first */

/* How well the person fits: the name begins so; a later word of it does; the number, the department or the id. */
enum search_rank search_rank(const struct search *search, const struct profile_record *profile);

#endif
