"""Data sets: a file per source; this is their menu."""
