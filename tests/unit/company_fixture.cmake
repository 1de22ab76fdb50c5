# What the tests of the replica share.
if(NOT TARGET company_fixture)
  add_library(company_fixture STATIC company_fixture.c)
  target_link_libraries(company_fixture PUBLIC ledig_model PkgConfig::CMOCKA)
endif()
