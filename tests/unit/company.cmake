set(company_libraries ledig_model)
