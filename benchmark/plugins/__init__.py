"""Registries of components, what names one, and digests of their sources."""
