set(record_libraries ledig_model)
