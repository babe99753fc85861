"""What keeps a good policy from working: mistakes in how the MTA and the host are set up around it."""
