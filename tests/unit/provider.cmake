set(provider_libraries ledig_identity PkgConfig::JANSSON PkgConfig::JWT PkgConfig::OPENSSL PkgConfig::SODIUM)
