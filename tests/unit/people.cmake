set(people_libraries ledig_cli)
