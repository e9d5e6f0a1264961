"""What checks found, in the forms that people, pipes and CI servers read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from contextops.output.sanitize import sanitize_exact

if TYPE_CHECKING:
    from contextops.output.printer import Printer

REPORT_FORMATS = ("junit", "github")
"""JUnit's XML, drawn by GitLab, Jenkins and others; the workflow commands of GitHub Actions."""

# GitHub's runner obeys its older "##[command]" wherever in a line it stands.
_NO_COMMAND = "#\\u{23}["


class Finding(NamedTuple):
    """What one check found.

    ``state`` is ``ok``, ``skipped``, or a word for what is wrong: of a model ``missing``,
    ``failed``, ``slow``, or ``unknown`` where it could not be told. ``error`` is the failure as
    programs read it.
    """

    state: str
    name: str
    detail: str = ""
    seconds: float | None = None
    error: dict[str, Any] | None = None


def lines(findings: Iterable[Finding]) -> list[str]:
    """Write a line each: its state, its name, and what there is to say."""
    return [
        " ".join(word for word in (each.state, each.name, each.detail) if word) for each in findings
    ]


def print_report(
    form: str | None, title: str, findings: Sequence[Finding], printer: Printer
) -> None:
    """Print the report in one of ``FORMATS``, or a line each."""
    if form is None:
        printer.lines(lines(findings))
    else:
        printer.write_text(report_document(form, title, findings))


def report_document(form: str, title: str, findings: Sequence[Finding]) -> str:
    """Write the whole report in one of ``FORMATS``."""
    return _junit(title, findings) if form == "junit" else _github(title, findings)


def _github(title: str, findings: Sequence[Finding]) -> str:
    """Write an annotation for each that failed, and a plain line in the log for the rest.

    docs.github.com, "Workflow commands for GitHub Actions": ``::error title=T::MESSAGE``.
    """
    told = []
    for each, line in zip(findings, lines(findings), strict=True):
        if each.error is None:
            told.append(sanitize_exact(line))
            continue
        about = _property(sanitize_exact(f"{title}: {each.state} {each.name}"))
        told.append(f"::error title={about}::{_escaped(sanitize_exact(each.error['message']))}")
    told = [line.replace("##[", _NO_COMMAND) for line in told]
    return "".join(f"{line}\n" for line in told)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _junit(title: str, findings: Sequence[Finding]) -> str:
    """Write one test suite: what is wrong is a failure, what could not be told an error."""
    from xml.etree import ElementTree as ET

    suite = ET.Element("testsuite", _counted(title, findings))
    for each in findings:
        time = f"{each.seconds or 0.0:.3f}"
        about = {"classname": title, "name": _xml_text(each.name), "time": time}
        case = ET.SubElement(suite, "testcase", about)
        if each.error is not None:
            message = _xml_text(each.error["message"])
            ET.SubElement(case, _verdict(each), type=each.error["code"], message=message)
        elif each.state == "skipped":
            ET.SubElement(case, "skipped", message=_xml_text(each.detail))
        elif each.detail:
            ET.SubElement(case, "system-out").text = _xml_text(each.detail)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _counted(title: str, findings: Sequence[Finding]) -> dict[str, str]:
    wrong = [_verdict(each) for each in findings if each.error is not None]
    return {
        "name": title,
        "tests": str(len(findings)),
        "failures": str(wrong.count("failure")),
        "errors": str(wrong.count("error")),
        "skipped": str(sum(each.state == "skipped" for each in findings)),
        "time": f"{sum(each.seconds or 0.0 for each in findings):.3f}",
    }


def _verdict(finding: Finding) -> str:
    return "error" if finding.state == "unknown" else "failure"


def _xml_text(text: str) -> str:
    """Make visible what XML 1.0 (section 2.2) cannot hold, besides what terminals obey."""
    shown = sanitize_exact(text).encode("utf-8", "replace").decode()
    return shown.replace("\ufffe", "\\u{fffe}").replace("\uffff", "\\u{ffff}")
