set(peer_libraries ledig_bench_base)
