"""Everything that is printed: results, messages, rendered Markdown, reports."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.output.markdown_blocks import first_code_block
    from contextops.output.printer import COLORS, Printer
    from contextops.output.report import Finding, finding_lines
    from contextops.output.results import REPORT_FORMATS, Format, Result
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

__getattr__ = lazy_names(
    __name__,
    {
        "markdown_blocks": ("first_code_block",),
        "printer": ("COLORS", "Printer"),
        "report": ("Finding", "finding_lines"),
        "results": ("REPORT_FORMATS", "Format", "Result"),
        "sanitize": ("sanitize_exact", "sanitize_text"),
        "streams": ("StdoutError",),
    },
)
