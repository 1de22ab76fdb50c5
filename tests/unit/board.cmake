set(board_libraries ledig_bench_base)
