include("${CMAKE_CURRENT_LIST_DIR}/company_fixture.cmake")
set(place_libraries company_fixture)
