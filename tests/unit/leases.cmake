set(leases_libraries ledig_model)
