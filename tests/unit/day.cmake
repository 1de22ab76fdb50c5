set(day_libraries ledig_bench_base)
