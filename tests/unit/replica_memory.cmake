# Allocations go through the test, so that it can let them fail.
include("${CMAKE_CURRENT_LIST_DIR}/company_fixture.cmake")
set(replica_memory_libraries company_fixture -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
