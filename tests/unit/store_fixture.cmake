# What the tests of the store share: a real Redis, and a proxy that loses what it is told to lose.
if(NOT TARGET store_fixture)
  add_library(store_fixture STATIC store_fixture.c)
  target_link_libraries(store_fixture PUBLIC ledig_store ledig_protocol PkgConfig::UV PkgConfig::HIREDIS PkgConfig::CMOCKA)
endif()
