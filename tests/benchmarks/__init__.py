"""Benchmarks; NumPy has as many threads in them as in the commands."""

import os

from monitor.__main__ import ONE_THREAD

os.environ.setdefault(*ONE_THREAD)
