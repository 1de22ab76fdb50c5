set(sandbox_libraries ledig_sandbox)

# The same cases without sanitizers: the filter that runs in production is another one.
add_executable(sandbox_plain_test sandbox_test.c "${CMAKE_SOURCE_DIR}/broker/sandbox.c")
target_compile_definitions(sandbox_plain_test PRIVATE LEDIG_SANITIZED=0)
target_compile_options(sandbox_plain_test PRIVATE -fno-sanitize=all)
target_link_options(sandbox_plain_test PRIVATE -fno-sanitize=all)
target_link_libraries(sandbox_plain_test PRIVATE PkgConfig::SECCOMP PkgConfig::CMOCKA)
add_test(NAME sandbox_plain_test COMMAND sandbox_plain_test)
