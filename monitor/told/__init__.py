"""What was told on the alert topic: read again, verified, and written for auditors and for other platforms."""
