"""Clients of databases: each loads its library, so each is imported by whoever needs it, when it is needed."""
