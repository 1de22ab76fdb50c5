/* Any bytes as a message in msgpack, from either side. */
#include "tests/fuzz/round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    check_round_trip(ENCODING_MSGPACK, SIDE_APP, bytes, length);
    check_round_trip(ENCODING_MSGPACK, SIDE_BROKER, bytes, length);
    return 0;
}
