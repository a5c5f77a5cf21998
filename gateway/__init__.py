"""Crossfade: a reverse proxy that fades traffic from a legacy service to its replacement."""

__version__ = "0.1.0"
