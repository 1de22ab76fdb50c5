set(search_libraries ledig_model)
