include("${CMAKE_CURRENT_LIST_DIR}/lease_fixture.cmake")
set(leases_libraries ledig_model lease_fixture)
