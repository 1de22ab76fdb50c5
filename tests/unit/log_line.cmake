set(log_line_libraries ledig_log)
