"""Benchmarks; NumPy has as many threads in them as in the commands."""

from monitor.__main__ import one_blas_thread

one_blas_thread()
