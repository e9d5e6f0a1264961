"""The result of a command, for every format that it can be printed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from contextops.output.report import Finding

REPORT_FORMATS = ("junit", "github")
"""JUnit XML, which GitLab, Jenkins and others display; workflow commands of GitHub Actions."""

Format = str | None
"""``json``, ``jsonl``, one of ``REPORT_FORMATS``, or None: a table for people, lines in a pipe."""


class Result(NamedTuple):
    """The result of a command; each function is called only if its format is printed.

    ``document`` is the value of ``--json``, ``records`` the values of ``--jsonl`` (without it, the
    items of the document). ``lines`` go to a pipe, ``rows`` under ``header`` to a terminal; without
    rows a terminal gets the lines too. ``findings`` and ``title`` are for reports. ``is_exact``
    lines are not sanitized in a pipe: a script may have stored them. On a terminal they keep tabs.
    """

    document: Callable[[], Any]
    lines: Callable[[], Iterable[str]]
    records: Callable[[], Iterable[Any]] | None = None
    header: Sequence[str] = ()
    rows: Callable[[], Sequence[Sequence[str]]] | None = None
    findings: Callable[[], Sequence[Finding]] | None = None
    title: str = ""
    is_exact: bool = False
