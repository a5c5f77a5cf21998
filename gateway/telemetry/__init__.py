"""What the processes tell about themselves: structured logs and the access log."""
