"""`driftd rules`: alerting rules for Prometheus 2.42 or newer, made from the settings alone."""
