"""The sets of `bench`: programs whose runs are compared with each other, taken in turn."""
