"""The same work with other libraries: each reads a topic to its end, tallies every feature, and prints its figures.

Events are parsed, each number falls in one of ten bins and each name in its own, by windows of ten seconds of event
time. `tallied` of the figures is the number of values, which has to be the same for all of them. They run in an
environment of their own (`make bench-peers`), with the options of the yardsticks.
"""
