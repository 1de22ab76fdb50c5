set(line_libraries ledig_cli)
