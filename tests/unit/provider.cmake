set(provider_libraries ledig_identity PkgConfig::JANSSON PkgConfig::OPENSSL)
