"""Stored predictions, metrics of them, their intervals and tests."""
