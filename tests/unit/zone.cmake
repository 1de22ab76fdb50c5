set(zone_libraries ledig_model)
