"""Image files of any kind, brought to one array of 8-bit pixels."""
