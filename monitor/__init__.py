"""driftd: a drift monitor for production models that reads their events from Kafka."""

__version__ = "0.1.0"
