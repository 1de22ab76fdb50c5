set(wire_text_libraries ledig_cli)
