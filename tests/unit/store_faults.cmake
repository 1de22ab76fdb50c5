include("${CMAKE_CURRENT_LIST_DIR}/store_fixture.cmake")
set(store_faults_libraries store_fixture)
