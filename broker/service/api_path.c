#include "broker/service/api_path.h"
#include "broker/service/http_problem.h"

#include <string.h>

void api_refuse_method(struct http_exchange *exchange, const char *allowed) {
    json_t *members = json_pack("{s:s}", "allow", allowed);
    http_problem_as(exchange, 405, LEDIG_EBAD_REQUEST, NULL, "this path has no such method", members);
}

bool api_is_of_company(const char *path, const char *what, char company[static LEDIG_ID_CHARS_MAX + 1],
                       const char **id) {
    static const char prefix[] = "/v1/companies/";
    if (strncmp(path, prefix, sizeof prefix - 1) != 0) return false;
    const char *name = path + sizeof prefix - 1, *rest = strchrnul(name, '/');
    size_t length = (size_t)(rest - name), what_length = strlen(what);
    if (length > LEDIG_ID_CHARS_MAX) return false;
    if (what_length > 0) {
        if (*rest != '/' || strncmp(rest + 1, what, what_length) != 0) return false;
        rest += 1 + what_length;
    }
    if (id ? *rest != '/' : *rest != 0) return false;
    if (id) *id = rest + 1;
    memcpy(company, name, length);
    company[length] = '\0';
    return shape_is_id(company);
}
