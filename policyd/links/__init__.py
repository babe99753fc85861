"""Connections to servers whose every wait has an end. Those that need a library are imported when they are needed."""
