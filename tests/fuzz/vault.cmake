set(vault_libraries ledig_privacy)
