"""The engine for notebooks and scripts: tables instead of topics, with the daemon's own figures."""
