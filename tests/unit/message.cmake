# Allocations go through the test, so that it can let them fail.
set(message_libraries PkgConfig::JANSSON -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
