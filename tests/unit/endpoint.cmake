set(endpoint_libraries ledig_client)
