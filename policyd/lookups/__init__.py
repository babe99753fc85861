"""Lookup types, one to a file; `policyd.words.load` imports them all."""
