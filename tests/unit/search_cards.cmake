include("${CMAKE_CURRENT_LIST_DIR}/lease_fixture.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/company_fixture.cmake")
set(search_cards_libraries company_fixture lease_fixture)
