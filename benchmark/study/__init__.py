"""A study, its axes and its cells."""
