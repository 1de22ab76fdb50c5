set(limits_libraries ledig_limits)
