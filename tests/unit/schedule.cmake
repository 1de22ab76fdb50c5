set(schedule_libraries ledig_model)
