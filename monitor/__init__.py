"""driftd: a drift monitor that runs beside production models and reads their events from Kafka."""

__version__ = "0.1.0"
