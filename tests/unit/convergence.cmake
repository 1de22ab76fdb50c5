include("${CMAKE_CURRENT_LIST_DIR}/lease_fixture.cmake")
add_library(convergence_world STATIC convergence_client.c convergence_commits.c convergence_store.c convergence_worker.c)
target_link_libraries(convergence_world PUBLIC ledig_model lease_fixture PkgConfig::CMOCKA)
set(convergence_libraries convergence_world)
