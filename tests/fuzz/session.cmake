set(session_libraries virtual_broker)
