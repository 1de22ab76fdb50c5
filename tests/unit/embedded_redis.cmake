include("${CMAKE_CURRENT_LIST_DIR}/store_fixture.cmake")
set(embedded_redis_libraries store_fixture)
