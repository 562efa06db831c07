"""The results folder: rows, predictions, locks."""
