"""Programs that show what reading costs: each reads a topic to its end and prints one line of figures.

`python -m tests.benchmarks.yardsticks.NAME --bootstrap HOST:PORT --topic TOPIC --events N`. They need nothing of the
project, so that they run in the environment of the peers, too.
"""
