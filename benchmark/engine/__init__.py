"""Which cells are run, where, and with which limits."""
