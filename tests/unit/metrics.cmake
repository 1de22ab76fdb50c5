set(metrics_libraries ledig_metrics)
