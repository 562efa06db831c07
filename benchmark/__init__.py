"""Benchmark classical image features against a CNN; see README.md."""
