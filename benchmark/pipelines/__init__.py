"""Trained pipelines: training, saving to a file, loading, and predicting new images."""
