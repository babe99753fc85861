"""Exim's policy engine for every other MTA."""

__version__ = "0.1.0"
