"""Splits of a data set, and changes to its training and test images: imbalance, occlusion."""
