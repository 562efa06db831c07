"""One cell from its components to its row."""
