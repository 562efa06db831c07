"""The report of a results folder: one HTML file with everything that its rows can tell."""

from benchmark.reporting.report.build import build_report, write_report

__all__ = ["build_report", "write_report"]
