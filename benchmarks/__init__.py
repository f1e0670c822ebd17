"""Measurements that documentation and README rest on; run as ``python -m benchmarks.<name>``."""
