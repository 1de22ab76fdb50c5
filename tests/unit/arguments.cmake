set(arguments_libraries ledig_cli)
