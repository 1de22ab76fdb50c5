set(terminal_libraries ledig_cli)
