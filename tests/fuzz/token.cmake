set(token_libraries ledig_identity PkgConfig::OPENSSL)
