"""Splits of a data set, and what is done to the training or test images of one."""
