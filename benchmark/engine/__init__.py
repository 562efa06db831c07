"""Scheduling and running of cells: which are run, where, and with which limits."""
