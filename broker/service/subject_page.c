/* The document as a page: a heading for each part, its fields in a table, lists as tables with a row each. No style, no
 * script, nothing that is fetched; it prints and it can be read aloud. */
#include "broker/service/subject.h"

#include <string.h>
#include <time.h>

static const struct {
    const char *name, *nb, *en;
} words[] = {
    {"made_at", "Laget", "Made"},
    {"company", "Bedrift", "Company"},
    {"contact", "Kontakt", "Contact"},
    {"profile", "Profil (fra arbeidsgiveren)", "Profile (from the employer)"},
    {"consents", "Samtykker", "Consents"},
    {"state", "Tilstand nå", "State now"},
    {"access", "Innlogging", "Access"},
    {"activity", "Aktivitet", "Activity"},
    {"calls", "Samtaler", "Calls"},
    {"audit", "Bedriftens logg", "The company's log"},
    {"security", "Sikkerhetslogg", "Security log"},
    {"user", "Bruker", "User"},
    {"created_at", "Kom til", "Came"},
    {"name", "Navn", "Name"},
    {"numbers", "Numre", "Numbers"},
    {"department", "Avdeling", "Department"},
    {"role", "Rolle", "Role"},
    {"queues", "Køer", "Queues"},
    {"queue", "Kø", "Queue"},
    {"schedule", "Arbeidstid", "Schedule"},
    {"tiers", "Nivå i køer", "Tier in queues"},
    {"tier", "Nivå", "Tier"},
    {"purpose", "Formål", "Purpose"},
    {"granted", "Gitt", "Granted"},
    {"text", "Tekstens versjon", "Version of the text"},
    {"language", "Språk", "Language"},
    {"at", "Når", "When"},
    {"device", "Enhet", "Device"},
    {"devices", "Enheter", "Devices"},
    {"session", "Økt", "Session"},
    {"kind", "Slag", "Kind"},
    {"os", "System", "System"},
    {"app", "App", "App"},
    {"login", "Innlogging", "Log-in"},
    {"seen_at", "Sist sett", "Last seen"},
    {"status", "Status", "Status"},
    {"note", "Merknad", "Note"},
    {"until_at", "Til", "Until"},
    {"forward", "Viderekobling", "Forward"},
    {"set_at", "Satt", "Set"},
    {"set_by", "Satt av", "Set by"},
    {"open", "Vises åpent", "Shown openly"},
    {"since_at", "Siden", "Since"},
    {"state_at", "Siden", "Since"},
    {"pause", "Pause", "Pause"},
    {"last_active_at", "Sist aktiv", "Last active"},
    {"last_call_ended_at", "Siste samtale sluttet", "Last call ended"},
    {"wrap_up_until_at", "Etterarbeid til", "Wrap-up until"},
    {"claimed_at", "Sist tildelt en samtale", "Last claimed for a call"},
    {"calls_counted", "Samtaler den dagen", "Calls on the day"},
    {"calls_counted_day_at", "Dagen de telles for", "The day that they are counted for"},
    {"has_password", "Har passord", "Has a password"},
    {"password_at", "Passord satt", "Password set"},
    {"is_invited", "Har en invitasjon", "Has an invitation"},
    {"invited_until_at", "Invitasjon gjelder til", "Invitation is good until"},
    {"tokens_void_before_at", "Eldre innlogginger er ugyldige", "Older tokens are void"},
    {"refused", "Avviste innlogginger på rad", "Refused log-ins in a row"},
    {"call", "Samtale", "Call"},
    {"direction", "Retning", "Direction"},
    {"result", "Utfall", "Result"},
    {"peer", "Motpart", "Other side"},
    {"started_at", "Begynte", "Began"},
    {"answered_at", "Besvart", "Answered"},
    {"ended_at", "Sluttet", "Ended"},
    {"what", "Hva", "What"},
    {"actor", "Av", "By"},
    {"detail", "Nærmere", "Detail"},
    {"times", "Ganger på rad", "Times in a row"},
};

struct page {
    struct buffer *out;
    bool norwegian;
};

static void put(const struct page *page, const char *text) {
    buffer_append(page->out, text, strlen(text));
}

static void put_escaped(const struct page *page, const char *text) {
    for (; *text; text++) {
        const char *entity = *text == '<'   ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '&' ? "&amp;"
                             : *text == '"' ? "&quot;"
                                            : NULL;
        buffer_append(page->out, entity ? entity : text, entity ? strlen(entity) : 1);
    }
}

static void put_word(const struct page *page, const char *name) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, name) == 0) {
            put(page, page->norwegian ? words[i].nb : words[i].en);
            return;
        }
    put_escaped(page, name);
}

static bool is_time(const char *name) {
    size_t length = strlen(name);
    return strcmp(name, "at") == 0 || (length > 3 && strcmp(name + length - 3, "_at") == 0);
}

static void put_time(const struct page *page, int64_t at_ms) {
    time_t at = (time_t)(at_ms / 1000);
    struct tm utc;
    char text[40];
    if (gmtime_r(&at, &utc) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc) > 0) put(page, text);
}

static void put_scalar(const struct page *page, const char *name, const json_t *value) {
    char digits[24];
    if (json_is_string(value)) {
        put_escaped(page, json_string_value(value));
    } else if (json_is_boolean(value)) {
        put(page, json_is_true(value) ? (page->norwegian ? "ja" : "yes") : (page->norwegian ? "nei" : "no"));
    } else if (json_is_integer(value) && is_time(name)) {
        put_time(page, json_integer_value(value));
    } else if (json_is_integer(value)) {
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        put(page, digits);
    }
}

/* Of all rows, in the order in which they are met. */
static json_t *columns_of(const json_t *rows) {
    json_t *columns = json_object();
    size_t i;
    json_t *row, *value;
    const char *name;
    json_array_foreach(rows, i, row) json_object_foreach(row, name, value) if (!json_object_get(columns, name))
        json_object_set_new(columns, name, json_true());
    return columns;
}

static bool put_rows(const struct page *page, const json_t *rows) {
    json_t *columns = columns_of(rows), *row, *mark;
    const char *name;
    size_t i;
    if (!columns) return false;
    put(page, "<table border=\"1\"><tr>");
    json_object_foreach(columns, name, mark) {
        put(page, "<th scope=\"col\">");
        put_word(page, name);
        put(page, "</th>");
    }
    put(page, "</tr>\n");
    json_array_foreach(rows, i, row) {
        put(page, "<tr>");
        json_object_foreach(columns, name, mark) {
            put(page, "<td>");
            put_scalar(page, name, json_object_get(row, name));
            put(page, "</td>");
        }
        put(page, "</tr>\n");
    }
    put(page, "</table>\n");
    json_decref(columns);
    return true;
}

/* A list of texts, or of maps; or nothing. */
static bool put_list(const struct page *page, const char *name, const json_t *list) {
    if (json_array_size(list) == 0) {
        put(page, page->norwegian ? "ingen" : "none");
        return true;
    }
    if (json_is_object(json_array_get(list, 0))) return put_rows(page, list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0) put(page, ", ");
        put_scalar(page, name, json_array_get(list, i));
    }
    return true;
}

static bool put_map(const struct page *page, const json_t *map) {
    const char *name;
    json_t *value;
    bool good = true;
    put(page, "<table border=\"1\">\n");
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        put(page, "<tr><th scope=\"row\">");
        put_word(page, name);
        put(page, "</th><td>");
        if (json_is_array(value))
            good &= put_list(page, name, value);
        else
            put_scalar(page, name, value);
        put(page, "</td></tr>\n");
    }
    put(page, "</table>\n");
    return good;
}

bool subject_page(const json_t *document, const char *language, struct buffer *out) {
    struct page page = {.out = out, .norwegian = strcmp(language, "nb") == 0};
    const char *title = page.norwegian ? "Alt som er lagret om deg" : "All that is held on you", *name;
    json_t *part;
    bool good = true;
    put(&page, "<!doctype html>\n<html lang=\"");
    put(&page, language);
    put(&page, "\"><head><meta charset=\"utf-8\"><title>");
    put(&page, title);
    put(&page, "</title></head><body>\n<h1>");
    put(&page, title);
    put(&page, "</h1>\n");
    json_object_foreach((json_t *)(uintptr_t)document, name, part) {
        put(&page, "<h2>");
        put_word(&page, name);
        put(&page, "</h2>\n");
        if (json_is_object(part))
            good &= put_map(&page, part);
        else if (json_is_array(part))
            good &= put_list(&page, name, part);
        else if (json_is_null(part))
            put(&page, page.norwegian ? "ingenting" : "nothing");
        else
            put_scalar(&page, name, part);
        put(&page, "\n");
    }
    put(&page, "</body></html>\n");
    return good && !out->failed;
}
