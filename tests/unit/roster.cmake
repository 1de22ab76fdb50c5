set(roster_libraries ledig_service)
