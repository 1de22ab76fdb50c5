set(csv_libraries ledig_service)
