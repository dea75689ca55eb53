"""`driftd dashboards`: what Grafana shows, made by code from the register's series."""
