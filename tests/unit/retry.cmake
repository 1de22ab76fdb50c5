set(retry_libraries ledig_client)
