include("${CMAKE_CURRENT_LIST_DIR}/store_fixture.cmake")
set(store_log_libraries store_fixture)
