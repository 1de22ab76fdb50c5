#include "clients/cli/errand.h"
#include "protocol/limits.h"

#include <stdio.h>
#include <string.h>

#define TEXT_DEFAULT "1"

static const char *const purposes[] = {"presence", "call_history", "analytics", "marketing"};
#define PURPOSE_COUNT (sizeof purposes / sizeof purposes[0])

struct consent {
    const char *purpose, *text, *language;
    bool granted;
};

static int ask(struct errand *errand) {
    const struct consent *consent = errand->arg;
    return ledig_consent(errand->client, consent->purpose, consent->granted, consent->text, consent->language,
                         errand_done, errand);
}

static void done(struct errand *errand, const struct ledig_result *result) {
    const struct consent *consent = errand->arg;
    (void)result;
    if (consent->granted)
        printf("consent to %s given (text %s)\n", consent->purpose, consent->text);
    else
        printf("consent to %s withdrawn\n", consent->purpose);
}

static bool take_answer(const char *word, bool *granted) {
    static const char *const yes[] = {"yes", "ja", "true"}, *const no[] = {"no", "nei", "false"};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(word, yes[i]) == 0) return *granted = true;
        if (strcmp(word, no[i]) == 0) {
            *granted = false;
            return true;
        }
    }
    return false;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct consent consent = {.text = TEXT_DEFAULT};
    const struct flag flags[] = {
        {"text", &consent.text, NULL}, {"language", &consent.language, NULL}, {NULL, NULL, NULL}};
    struct arguments arguments;
    struct errand errand = {.command = command, .arguments = &arguments, .ask = ask, .done = done, .arg = &consent};
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count != 2)
        return arguments_wrong(command, "it takes a purpose, and yes or no: consent presence yes");
    consent.purpose = arguments.rest[0];
    size_t known = 0;
    while (known < PURPOSE_COUNT && strcmp(purposes[known], consent.purpose) != 0)
        known++;
    if (known == PURPOSE_COUNT) {
        const char *nearest = arguments_nearest(consent.purpose, purposes, PURPOSE_COUNT);
        if (nearest)
            return arguments_wrong(command, "there is no purpose %s; did you mean %s?", consent.purpose, nearest);
        return arguments_wrong(
            command, "there is no purpose %s; there are presence, call_history, analytics, marketing", consent.purpose);
    }
    if (!arguments_check_text(command, "the version of the text", consent.text, LEDIG_WORD_CHARS_MAX, &code) ||
        !arguments_check_text(command, "the language", consent.language, LEDIG_WORD_CHARS_MAX, &code))
        return code;
    if (!take_answer(arguments.rest[1], &consent.granted))
        return arguments_wrong(command, "yes or no? %s is neither", arguments.rest[1]);
    return errand_run(&errand);
}

const struct command consent_command = {
    .name = "consent",
    .acting = AS_PERSON,
    .usage = "PURPOSE yes|no [--text VERSION] [--language L]",
    .summary = "give or withdraw consent, to presence above all",
    .run = run,
    .help =
        "\n  PURPOSE         presence, call_history, analytics or marketing\n"
        "  --text VERSION  version of the text that the person has read, up to 32 characters (default 1)\n"
        "  --language L    its language, such as nb or en\n"
        "\nWithout consent to presence colleagues see nothing but `unknown`; withdrawing it destroys what was known.\n"
        "\nExamples:\n"
        "  ledig consent --as ola presence yes\n"
        "  ledig consent --as ola presence no\n",
};
