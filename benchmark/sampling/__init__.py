"""Splits of a dataset, and changes to its training and test images: imbalance, occlusion."""
