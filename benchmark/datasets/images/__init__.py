"""Read image files of any type into one array of 8-bit pixels."""
