set(bound_libraries ledig_bench_base)
