"""`driftd rules`: alerting rules for Prometheus 2.42 or newer, generated from the settings alone."""
