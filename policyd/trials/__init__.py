"""A policy tried without risk: on live traffic beside the one in force, and on sessions that were recorded."""
