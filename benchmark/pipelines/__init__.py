"""One trained pipeline, to be kept in a file and asked about new images."""
