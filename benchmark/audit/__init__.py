"""What is wrong with a dataset, found before anything is trained."""

from benchmark.audit.audit import Audit, Finding, audit_dataset

__all__ = ["Audit", "Finding", "audit_dataset"]
