"""The real systems the tests run against: how they are installed, started and ended."""
