"""Evaluation of one cell, from its components to its row."""
