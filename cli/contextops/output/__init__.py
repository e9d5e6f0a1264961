"""Everything that is printed: text, JSON, tables, reports."""

from contextops.output.markdown_blocks import first_code_block
from contextops.output.printer import COLORS, Printer, StdoutError, sanitize, sanitize_exact
from contextops.output.report import REPORT_FORMATS, Finding, print_report

__all__ = [
    "COLORS",
    "REPORT_FORMATS",
    "Finding",
    "Printer",
    "StdoutError",
    "first_code_block",
    "print_report",
    "sanitize",
    "sanitize_exact",
]
