# What the tests that need a lease share.
if(NOT TARGET lease_fixture)
  add_library(lease_fixture STATIC lease_fixture.c)
  target_link_libraries(lease_fixture PUBLIC ledig_protocol)
endif()
