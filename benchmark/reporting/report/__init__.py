"""Pages that need no server and no other file: the report of a results folder, and an audit."""

from benchmark.reporting.report.build import (
    build_audit_page,
    build_report,
    check_page_path,
    write_report,
)

__all__ = ["build_audit_page", "build_report", "check_page_path", "write_report"]
