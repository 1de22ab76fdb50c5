set(lead_libraries ledig_bench_base)
