"""Everything that is printed: results, messages, rendered Markdown, reports."""

from contextops.output.markdown_blocks import first_code_block
from contextops.output.printer import COLORS, Printer
from contextops.output.report import REPORT_FORMATS, Finding, finding_lines
from contextops.output.results import Format, Result
from contextops.output.sanitize import sanitize_exact, sanitize_text
from contextops.output.streams import StdoutError

__all__ = [
    "COLORS",
    "REPORT_FORMATS",
    "Finding",
    "Format",
    "Printer",
    "Result",
    "StdoutError",
    "finding_lines",
    "first_code_block",
    "sanitize_exact",
    "sanitize_text",
]
