#include "broker/model/numbering_plan.h"
#include "protocol/errors.h"

#include <string.h>

#define LENGTH(n) (1u << (n))
#define FROM_TO(a, b) ((LENGTH((b) + 1) - 1) & ~(LENGTH(a) - 1))
#define NO_ZERO "123456789"

/* Under +1, these area codes are those of other countries. */
#define NANP_OTHERS                                                                                                    \
    "242 246 264 268 284 340 345 441 473 649 658 664 670 671 684 721 758 767 784 787 809 829 849 868 869 876 939"

static const struct numbering_plan plans[] = {
    {"AT", "43", "00", "0", true, FROM_TO(5, 13), NO_ZERO, "810 820 821 900 901 930 931 939 118"},
    {"BE", "32", "00", "0", true, LENGTH(8) | LENGTH(9), NO_ZERO, "70 77 90"},
    {"CA", "1", "011", "1", false, LENGTH(10), "23456789", "900 976 " NANP_OTHERS},
    {"CH", "41", "00", "0", true, LENGTH(9), NO_ZERO, "84 878 90"},
    {"DE", "49", "00", "0", true, FROM_TO(5, 11), NO_ZERO, "118 12 137 138 180 19 700 900"},
    {"DK", "45", "00", "", false, LENGTH(8), NO_ZERO, "90"},
    {"EE", "372", "00", "", false, LENGTH(7) | LENGTH(8), NO_ZERO, "90"},
    {"ES", "34", "00", "", false, LENGTH(9), NO_ZERO, "118 803 806 807 901 902 905 907"},
    {"FI", "358", "00", "0", true, FROM_TO(5, 12), NO_ZERO, "100 200 202 600 606 700 707"},
    {"FR", "33", "00", "0", true, LENGTH(9), NO_ZERO, "81 82 89 118"},
    {"GB", "44", "00", "0", true, LENGTH(9) | LENGTH(10), NO_ZERO, "118 70 76 84 87 9"},
    {"IE", "353", "00", "0", true, FROM_TO(7, 10), NO_ZERO, "15/10"},
    {"IS", "354", "00", "", false, LENGTH(7) | LENGTH(9), NO_ZERO, "90/7"},
    /* a fixed line's number begins with its zero, also when called from abroad */
    {"IT", "39", "00", "", false, FROM_TO(6, 11), "0123456789", "144 163 164 165 166 178 199 84 89"},
    {"LT", "370", "00", "0", true, LENGTH(8), NO_ZERO, "90"},
    {"LV", "371", "00", "", false, LENGTH(8), NO_ZERO, "90"},
    {"NL", "31", "00", "0", true, LENGTH(7) | LENGTH(9) | LENGTH(10), NO_ZERO, "84 87 90"},
    {"NO", "47", "00", "", false, LENGTH(8), NO_ZERO, "82"},
    {"PL", "48", "00", "", false, LENGTH(9), NO_ZERO, "20 30 40 70"},
    {"PT", "351", "00", "", false, LENGTH(9), NO_ZERO, "60 64 70 76"},
    {"SE", "46", "00", "0", true, FROM_TO(7, 9), NO_ZERO, "118 900 939 944 99"},
    {"US", "1", "011", "1", false, LENGTH(10), "23456789", "900 976 " NANP_OTHERS},
};

#define PLANS_COUNT (sizeof plans / sizeof *plans)

const struct numbering_plan *numbering_plan_of(const char *country) {
    if (country == NULL) country = NUMBERING_COUNTRY_DEFAULT;
    for (size_t i = 0; i < PLANS_COUNT; i++)
        if (strcmp(plans[i].country, country) == 0) return &plans[i];
    return NULL;
}

const char *numbering_plan_unknown(void) {
    return "none of AT, BE, CA, CH, DE, DK, EE, ES, FI, FR, GB, IE, IS, IT, LT, LV, NL, NO, PL, PT, SE, US";
}

/* ---- Reading ---- */

static bool is_filler(char c) {
    return c != '\0' && strchr(" \t-()./", c) != NULL;
}

/* Italy's zero belongs to the number. */
static bool leaves_out_zero(const char *dialled, size_t count) {
    if (count == 0 || count > 5) return false;
    const char *code = dialled[0] == '+' ? dialled + 1 : strncmp(dialled, "00", 2) == 0 ? dialled + 2 : NULL;
    return code != NULL && *code != '\0' && strncmp(code, "39", 3) != 0;
}

int numbering_read(const char *text, size_t length, char dialled[static NUMBERING_DIALLED_MAX + 1]) {
    size_t count = 0;
    dialled[0] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (length - i >= 3 && memcmp(text + i, "(0)", 3) == 0 && leaves_out_zero(dialled, count)) {
            i += 2;
            continue;
        }
        if (is_filler(text[i])) continue;
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (!is_digit && !(text[i] == '+' && count == 0)) return LEDIG_EBAD_REQUEST;
        if (count == NUMBERING_DIALLED_MAX) return LEDIG_EBAD_REQUEST;
        dialled[count++] = text[i];
        dialled[count] = '\0';
    }
    return count > 0 ? 0 : LEDIG_EBAD_REQUEST;
}

bool numbering_is_international(const char *dialled) {
    return dialled[0] == '+' || strncmp(dialled, "00", 2) == 0;
}

/* ---- To E.164 ---- */

static const char *after(const char *text, const char *prefix) {
    size_t length = strlen(prefix);
    return length > 0 && strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static int put_together(const char *code, const char *digits, char number[static NUMBERING_BYTES]) {
    char whole[NUMBERING_DIALLED_MAX + 4];
    size_t code_length = strlen(code), length = code_length + strlen(digits);
    if (length < NUMBERING_DIGITS_MIN || length > NUMBERING_DIGITS_MAX) return LEDIG_EBAD_REQUEST;
    memcpy(whole, code, code_length);
    memcpy(whole + code_length, digits, length - code_length);
    if (whole[0] == '0') return LEDIG_EBAD_REQUEST; /* no country's code begins with a zero */
    number[0] = '+';
    memcpy(number + 1, whole, length);
    number[1 + length] = '\0';
    return 0;
}

static int complete_national(const struct numbering_plan *plan, const char *dialled,
                             char number[static NUMBERING_BYTES]) {
    const char *without = after(dialled, plan->trunk);
    if (without == NULL && plan->needs_trunk) return LEDIG_EBAD_REQUEST;
    const char *digits = without != NULL ? without : dialled;
    size_t length = strlen(digits);
    if (length == 0 || length > NUMBERING_DIGITS_MAX || (plan->lengths & LENGTH(length)) == 0)
        return LEDIG_EBAD_REQUEST;
    if (strchr(plan->leads, digits[0]) == NULL) return LEDIG_EBAD_REQUEST;
    return put_together(plan->code, digits, number);
}

int numbering_complete(const struct numbering_plan *plan, const char *dialled, char number[static NUMBERING_BYTES]) {
    const char *digits = after(dialled, "+");
    if (digits == NULL) digits = after(dialled, "00");
    if (digits == NULL && plan != NULL) digits = after(dialled, plan->international);
    if (digits != NULL) return put_together("", digits, number);
    return plan != NULL ? complete_national(plan, dialled, number) : LEDIG_EBAD_REQUEST;
}

void numbering_begin(const struct numbering_plan *plan, const char *digits, char begin[static NUMBERING_BYTES]) {
    const char *code = "", *rest = after(digits, "00");
    if (rest == NULL) rest = after(digits, plan->international);
    if (rest == NULL) {
        code = plan->code;
        rest = after(digits, plan->trunk);
    }
    begin[0] = '\0';
    if (rest == NULL || *rest == '\0' || strlen(code) + strlen(rest) > NUMBERING_DIGITS_MAX) return;
    begin[0] = '+';
    memcpy(begin + 1, code, strlen(code));
    memcpy(begin + 1 + strlen(code), rest, strlen(rest) + 1);
}

/* ---- What a number says of itself ---- */

/* The zones of ITU-T E.164: 1 and 7 stand alone; these have two digits; all others three. */
static size_t code_length(const char *digits) {
    static const char two[] = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 "
                              "63 64 65 66 81 82 84 86 90 91 92 93 94 95 98";
    if (digits[0] == '1' || digits[0] == '7') return 1;
    for (const char *at = two; *at != '\0'; at += at[2] == ' ' ? 3 : 2)
        if (digits[0] == at[0] && digits[1] == at[1]) return 2;
    return 3;
}

void numbering_code(const char *number, char code[static NUMBERING_CODE_BYTES]) {
    size_t length = strnlen(number + 1, code_length(number + 1));
    code[0] = '+';
    memcpy(code + 1, number + 1, length);
    code[1 + length] = '\0';
}

/* One word of a plan's list: digits, then perhaps a slash and a length. */
static size_t begins_with(const char *digits, const char *word) {
    size_t length = strspn(word, "0123456789"), of = 0;
    if (strncmp(digits, word, length) != 0) return 0;
    if (word[length] == '/')
        for (const char *at = word + length + 1; *at >= '0' && *at <= '9'; at++)
            of = of * 10 + (size_t)(*at - '0');
    return of == 0 || of == strlen(digits) ? length : 0;
}

size_t numbering_premium(const char *number) {
    char code[NUMBERING_CODE_BYTES];
    numbering_code(number, code);
    const struct numbering_plan *plan = NULL;
    for (size_t i = 0; i < PLANS_COUNT && plan == NULL; i++)
        if (strcmp(plans[i].code, code + 1) == 0) plan = &plans[i];
    if (plan == NULL) return 0;
    const char *digits = number + strlen(code);
    for (const char *word = plan->premium; *word != '\0'; word += strcspn(word, " "), word += *word == ' ') {
        size_t length = begins_with(digits, word);
        if (length > 0) return strlen(code) + length;
    }
    return 0;
}
