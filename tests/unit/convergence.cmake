add_library(convergence_store STATIC "${CMAKE_CURRENT_LIST_DIR}/convergence_store.c")
target_link_libraries(convergence_store PUBLIC ledig_model)
set(convergence_libraries convergence_store ledig_model)
