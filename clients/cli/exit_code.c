#include "clients/cli/exit_code.h"
#include "protocol/errors.h"

enum exit_code exit_code_of(int error) {
    switch (error) {
    case 0:
        return EXIT_DONE;
    case LEDIG_EUNAUTHORIZED:
    case LEDIG_EFORBIDDEN:
        return EXIT_NOT_ALLOWED;
    case LEDIG_EUNAVAILABLE:
    case LEDIG_ERATE_LIMITED:
    case LEDIG_EIO:
        return EXIT_UNAVAILABLE;
    default:
        return EXIT_REFUSED;
    }
}
