set(when_libraries ledig_cli)
