include("${CMAKE_CURRENT_LIST_DIR}/store_fixture.cmake")
set(store_shared_libraries store_fixture)
