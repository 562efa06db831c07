"""Helpers for files, text, threads, memory and the environment, independent of the domain."""
