"""Everything that is printed: text, JSON, tables, reports."""

from contextops.output.markdown_blocks import first_code_block
from contextops.output.printer import COLORS, Printer, StdoutError
from contextops.output.report import REPORT_FORMATS, Finding, print_report
from contextops.output.results import Format, Result
from contextops.output.sanitize import sanitize_exact, sanitize_text

__all__ = [
    "COLORS",
    "REPORT_FORMATS",
    "Finding",
    "Format",
    "Printer",
    "Result",
    "StdoutError",
    "first_code_block",
    "print_report",
    "sanitize_exact",
    "sanitize_text",
]
