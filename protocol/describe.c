/* Writes PROTOCOL.md from its template and the tables of the code, or the fuzzers' dictionary. A development tool: it
 * reads files of the source tree and writes to stdout.
 *
 *     describe TEMPLATE LIMITS_H > PROTOCOL.md
 *     describe --dictionary > dictionary */
#include "protocol/message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 4096

static const struct shape *const parts[] = {
#define PART(name, meaning) &part_##name##_shape,
#define MESSAGE(name, side, meaning)
#define FIELD(owner, name, kind, required, max, of, meaning)
#define END(owner)
#include "protocol/messages.def"
#undef PART
#undef MESSAGE
#undef FIELD
#undef END
};

#define PART_COUNT (sizeof parts / sizeof parts[0])

static void write_kind(const struct shape_field *field) {
    switch (field->kind) {
    case SHAPE_TEXT:
        printf("text, ≤ %u characters", field->max);
        break;
    case SHAPE_ID:
        printf("id");
        break;
    case SHAPE_COUNT:
        printf("integer, 32 bits");
        break;
    case SHAPE_NUMBER:
        printf("integer");
        break;
    case SHAPE_FLAG:
        printf("true or false");
        break;
    case SHAPE_TEXTS:
        printf("array of texts, ≤ %u of ≤ %d characters", field->max, LEDIG_NAME_CHARS_MAX);
        break;
    case SHAPE_IDS:
        printf("array of ids, ≤ %u", field->max);
        break;
    case SHAPE_IDS_OR_ALL:
        printf("\"all\" or array of ids, ≤ %u", field->max);
        break;
    case SHAPE_MAP:
        printf("map [%s](#part-%s)", field->of->name, field->of->name);
        break;
    case SHAPE_MAPS:
        printf("array of maps [%s](#part-%s), ≤ %u", field->of->name, field->of->name, field->max);
        break;
    case SHAPE_ROWS:
        printf("array of rows [%s](#part-%s), ≤ %u", field->of->name, field->of->name, field->max);
        break;
    case SHAPE_REST:
        break;
    }
}

static void write_fields(const struct shape *shape, const char *heading) {
    printf("| %s | type | | |\n| --- | --- | --- | --- |\n", heading);
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *field = &shape->fields[i];
        printf("| `%s` | ", field->name);
        write_kind(field);
        printf(" | %s | %s |\n", field->required ? "required" : "", field->meaning);
    }
}

static void write_messages(enum message_side side) {
    bool first = true;
    for (int i = MESSAGE_NONE + 1; i < MESSAGE_TYPE_COUNT; i++) {
        enum message_type type = (enum message_type)i;
        if (message_type_side(type) != side) continue;
        const struct shape *shape = message_type_shape(type);
        printf("%s### `%s`\n\n%c%s.\n\n", first ? "" : "\n", shape->name, toupper(shape->meaning[0]),
               shape->meaning + 1);
        write_fields(shape, "field");
        first = false;
    }
}

/* Rows are known by their columns: a part that only stands in maps is a map. */
static bool is_row(const struct shape *part) {
    for (int i = MESSAGE_NONE + 1; i < MESSAGE_TYPE_COUNT; i++) {
        const struct shape *shape = message_type_shape((enum message_type)i);
        for (size_t k = 0; k < shape->count; k++)
            if (shape->fields[k].of == part && shape->fields[k].kind == SHAPE_ROWS) return true;
    }
    return false;
}

static void write_parts(void) {
    for (size_t i = 0; i < PART_COUNT; i++) {
        const char *heading = is_row(parts[i]) ? "column" : "field";
        printf("%s<a id=\"part-%s\"></a>**`%s`**: %s.\n\n", i ? "\n" : "", parts[i]->name, parts[i]->name,
               parts[i]->meaning);
        write_fields(parts[i], heading);
    }
}

static void write_errors(void) {
    printf("| code | meaning |\n| --- | --- |\n");
#define X(constant, value, wire, meaning)                                                                              \
    if (*(wire)) printf("| `%s` | %s |\n", wire, meaning);
    LEDIG_ERRORS(X)
#undef X
}

/* Each line of limits.h is #define LEDIG_<NAME> <value>, and its reason as a comment. */
static int write_limits(const char *path) {
    char line[LINE_BYTES_MAX], name[64], reason[512];
    unsigned value;
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    printf("| limit | value | why |\n| --- | --- | --- |\n");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "#define LEDIG_%63s %u /* %511[^\n]", name, &value, reason) == 3) {
            char *end = strstr(reason, " */");
            if (end) *end = 0;
            printf("| %s | %u | %s |\n", name, value, reason);
        }
    fclose(file);
    return 0;
}

static void write_hex(char direction, const struct buffer *packed) {
    for (size_t i = 0; i < packed->length; i++) {
        if (i % 48 == 0) printf("%s%c ", i ? "\n" : "", i ? ' ' : direction);
        printf("%02x", packed->bytes[i]);
    }
    printf("\n");
}

/* One message of the example: it must be what the encoder writes, so that the example cannot be wrong. */
static int read_example(const char *line, struct buffer *packed) {
    enum message_side side = line[0] == '>' ? SIDE_APP : SIDE_BROKER;
    const uint8_t *json = (const uint8_t *)line + 2;
    size_t length = strcspn(line + 2, "\n");
    struct arena *arena = arena_create();
    struct buffer again = {0};
    struct message message;
    struct fault fault = {.error = LEDIG_ENO_MEMORY, .why = "out of memory"};
    int error = LEDIG_ENO_MEMORY;
    if (arena) error = message_decode(ENCODING_JSON, side, json, length, arena, &message, NULL, &fault);
    if (!error) error = message_encode(ENCODING_JSON, &message, &again);
    if (!error) error = message_encode(ENCODING_MSGPACK, &message, packed);
    if (!error && (again.length != length || memcmp(again.bytes, json, length) != 0)) {
        fault = (struct fault){.why = "the encoder would write it otherwise"};
        error = LEDIG_EBAD_REQUEST;
    }
    if (error) fprintf(stderr, "describe: %s: %s: %s", fault.field ? fault.field : "", fault.why, line);
    buffer_free(&again);
    arena_free(arena);
    return error;
}

static int write_session(FILE *template) {
    char line[LINE_BYTES_MAX];
    struct buffer hex[64] = {{0}};
    char direction[64];
    size_t count = 0;
    int error = 0;
    printf("```\n");
    while (!error && count < 64 && fgets(line, sizeof line, template) && strcmp(line, "@end\n") != 0) {
        fputs(line, stdout);
        direction[count] = line[0];
        error = read_example(line, &hex[count++]);
    }
    printf("```\n\nThe same in msgpack, in hex:\n\n```\n");
    for (size_t i = 0; i < count; i++) {
        write_hex(direction[i], &hex[i]);
        buffer_free(&hex[i]);
    }
    printf("```\n");
    return error;
}

static int write_directive(const char *line, FILE *template, const char *limits) {
    int error = 0;
    if (strcmp(line, "@messages app\n") == 0)
        write_messages(SIDE_APP);
    else if (strcmp(line, "@messages broker\n") == 0)
        write_messages(SIDE_BROKER);
    else if (strcmp(line, "@parts\n") == 0)
        write_parts();
    else if (strcmp(line, "@errors\n") == 0)
        write_errors();
    else if (strcmp(line, "@limits\n") == 0)
        error = write_limits(limits);
    else if (strcmp(line, "@session\n") == 0)
        error = write_session(template);
    else
        error = LEDIG_EUNSUPPORTED;
    if (error) fprintf(stderr, "describe: cannot write %s", line);
    return error;
}

static int write_document(const char *path, const char *limits) {
    char line[LINE_BYTES_MAX];
    int error = 0;
    FILE *template = fopen(path, "r");
    if (!template) {
        perror(path);
        return -1;
    }
    while (!error && fgets(line, sizeof line, template)) {
        if (line[0] == '@')
            error = write_directive(line, template, limits);
        else
            fputs(line, stdout);
    }
    fclose(template);
    return error;
}

/* A name as it stands in msgpack (with its length before it) and in JSON. */
static void write_word(const char *word) {
    printf("\"\\x%02x%s\"\n", 0xa0 + (unsigned)strlen(word), word);
    printf("\"\\\"%s\\\"\"\n", word);
}

static void write_words(const struct shape *shape) {
    for (size_t i = 0; i < shape->count; i++)
        write_word(shape->fields[i].name);
}

static void write_dictionary(void) {
    static const char *const values[] = {"t", "all", "available", "busy", "mobile", "presence", "active"};
    static const char *const heads[] = {"\\xc0", "\\xc3", "\\xcf", "\\xd3", "\\xdb", "\\xdd", "\\xdf", "null", "true"};
    for (int i = MESSAGE_NONE + 1; i < MESSAGE_TYPE_COUNT; i++) {
        write_word(message_type_name((enum message_type)i));
        write_words(message_type_shape((enum message_type)i));
    }
    for (size_t i = 0; i < PART_COUNT; i++)
        write_words(parts[i]);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        write_word(values[i]);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        printf("\"%s\"\n", heads[i]);
}

int main(int argc, char **argv) {
    int error = 0;
    if (argc == 2 && strcmp(argv[1], "--dictionary") == 0) {
        write_dictionary();
    } else if (argc == 3) {
        error = write_document(argv[1], argv[2]);
    } else {
        fprintf(stderr, "usage: describe TEMPLATE LIMITS_H | describe --dictionary\n");
        return EXIT_FAILURE;
    }
    return error || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
