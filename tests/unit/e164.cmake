set(e164_libraries ledig_service)
