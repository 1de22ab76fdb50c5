#include "broker/model/search.h"

#include <string.h>

#define MARKED_BYTES 8

/* One byte, or the second of a letter that UTF-8 writes as C3 80 to C3 9E (À to Þ, without ×), made small. */
static char fold(const char *text, size_t i) {
    unsigned char byte = (unsigned char)text[i];
    if (byte >= 'A' && byte <= 'Z') return (char)(byte + 32);
    bool in_latin = i > 0 && (unsigned char)text[i - 1] == 0xC3;
    if (in_latin && byte >= 0x80 && byte <= 0x9E && byte != 0x97) return (char)(byte + 32);
    return (char)byte;
}

static bool is_between_words(char byte) {
    return byte == ' ' || byte == '-' || byte == '.' || byte == ',' || byte == '\'' || byte == '/' || byte == '_';
}

/* ---- Marks ---- */

/* Of a word, folded or not: one mark for each of its beginnings. What begins it has no marks but some of these. */
static void mark_word(struct search_marks *marks, const char *text, size_t i) {
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (size_t n = 0; n < MARKED_BYTES && text[i + n] && (n == 0 || !is_between_words(text[i + n])); n++) {
        hash = (hash ^ (unsigned char)fold(text, i + n)) * 16777619U;
        uint32_t bit = (hash >> 16 ^ hash) % 128;
        marks->words[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static void mark_words(struct search_marks *marks, const char *text) {
    bool at_start = true;
    for (size_t i = 0; text && text[i]; i++) {
        bool between = is_between_words(text[i]);
        if (!between && at_start) mark_word(marks, text, i);
        at_start = between;
    }
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static uint64_t marks_of_digits(const char *text) {
    uint64_t marks = 0;
    for (size_t i = 0; text[i]; i++)
        if (is_digit(text[i]) && is_digit(text[i + 1]))
            marks |= UINT64_C(1) << (((text[i] - '0') * 10 + text[i + 1] - '0') % 64);
    return marks;
}

struct search_marks search_marks(const struct profile_record *profile) {
    struct search_marks marks = {0};
    mark_words(&marks, profile->name);
    mark_words(&marks, profile->department);
    mark_word(&marks, profile->id, 0);
    for (uint32_t i = 0; i < profile->numbers.count; i++)
        marks.digits |= marks_of_digits(profile->numbers.at[i]);
    return marks;
}

bool search_may_fit(const struct search *search, const struct search_marks *marks) {
    const struct search_marks *needs = &search->needs;
    if (search->digits[0] && (marks->digits & needs->digits) == needs->digits) return true;
    if (search->begins[0] && (marks->digits & search->needs_begins) == search->needs_begins) return true;
    return search->word_count > 0 && (marks->words[0] & needs->words[0]) == needs->words[0] &&
           (marks->words[1] & needs->words[1]) == needs->words[1];
}

/* ---- What is looked for ---- */

static void take_digits(struct search *search, const char *text) {
    size_t length = 0;
    for (; *text; text++) {
        bool digit = *text >= '0' && *text <= '9';
        if (!digit && !strchr(" +-()", *text)) break;
        if (digit && length < LEDIG_NUMBER_CHARS_MAX) search->digits[length++] = *text;
    }
    search->digits[*text || length < 2 ? 0 : length] = 0;
}

void search_begin(struct search *search, const char *text, const struct numbering_plan *plan) {
    *search = (struct search){0};
    take_digits(search, text);
    if (plan != NULL && search->digits[0] && !strchr(text, '+')) numbering_begin(plan, search->digits, search->begins);
    bool inside = false;
    for (size_t i = 0; text[i] && i < SEARCH_BYTES_MAX - 1; i++) {
        bool between = is_between_words(text[i]);
        search->text[i] = between ? 0 : fold(text, i);
        if (!between && !inside) {
            if (search->word_count == SEARCH_WORDS_MAX) break;
            search->words[search->word_count++] = &search->text[i];
        }
        inside = !between;
    }
    search->needs.digits = marks_of_digits(search->digits);
    search->needs_begins = marks_of_digits(search->begins);
    for (size_t i = 0; i < search->word_count; i++)
        mark_word(&search->needs, search->words[i], 0);
}

/* ---- Who fits ---- */

static bool begins(const char *text, size_t at, const char *word) {
    for (; *word; at++, word++)
        if (!text[at] || fold(text, at) != *word) return false;
    return true;
}

/* Whether a word of the text begins so; *first tells whether it is the first one. */
static bool has_word(const char *text, const char *word, bool *first) {
    if (!text) return false;
    bool at_start = true, seen = false;
    for (size_t i = 0; text[i]; i++) {
        bool between = is_between_words(text[i]);
        if (!between && at_start) {
            if (begins(text, i, word)) {
                *first = !seen;
                return true;
            }
            seen = true;
        }
        at_start = between;
    }
    return false;
}

static bool has_number(const struct search *search, const struct profile_record *profile) {
    if (!search->digits[0]) return false;
    for (uint32_t i = 0; i < profile->numbers.count; i++)
        if (strstr(profile->numbers.at[i], search->digits) ||
            (search->begins[0] && strncmp(profile->numbers.at[i], search->begins, strlen(search->begins)) == 0))
            return true;
    return false;
}

enum search_rank search_rank(const struct search *search, const struct profile_record *profile) {
    enum search_rank rank = SEARCH_NAME;
    bool first;
    if (has_number(search, profile)) return SEARCH_ELSEWHERE;
    if (search->word_count == 0) return SEARCH_NONE;
    for (size_t i = 0; i < search->word_count; i++) {
        const char *word = search->words[i];
        if (has_word(profile->name, word, &first)) {
            if (i == 0 && !first && rank < SEARCH_WORD) rank = SEARCH_WORD;
        } else if (has_word(profile->department, word, &first) || begins(profile->id, 0, word)) {
            rank = SEARCH_ELSEWHERE;
        } else {
            return SEARCH_NONE;
        }
    }
    return rank;
}
