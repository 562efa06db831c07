"""The results folder: rows, predictions and locks."""
