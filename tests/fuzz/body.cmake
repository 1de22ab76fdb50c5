set(body_libraries ledig_service PkgConfig::JANSSON)
