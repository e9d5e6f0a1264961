"""Reports of checks for CI servers: JUnit XML and annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from contextops.output.sanitize import sanitize_exact

# GitHub's runner executes its older "##[command]" anywhere in a line.
_ESCAPED_OLD_COMMAND = "#\\u{23}["


class Finding(NamedTuple):
    """The result of one check, as reports show it.

    ``state`` is ``ok``, ``skipped``, or what is wrong: ``failed``; of a model also ``missing``,
    ``slow``, or ``unknown`` if it could not be determined. ``seconds`` is how long the check took.
    ``error`` is what ``Printer.error_object`` returns for its error.
    """

    state: str
    name: str
    detail: str = ""
    seconds: float | None = None
    error: dict[str, Any] | None = None


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """Return a line for each finding: its state, name and detail."""
    return [
        " ".join(word for word in (each.state, each.name, each.detail) if word) for each in findings
    ]


def report_document(report: str, title: str, findings: Sequence[Finding]) -> str:
    """Return the text of a report, which is one of ``REPORT_FORMATS``."""
    return _junit(title, findings) if report == "junit" else _github(title, findings)


def _github(title: str, findings: Sequence[Finding]) -> str:
    """Return an annotation for each error, and a plain line in the log for each other finding.

    docs.github.com, "Workflow commands for GitHub Actions": ``::error title=T::MESSAGE``.
    """
    lines = []
    for finding, line in zip(findings, finding_lines(findings), strict=True):
        if finding.error is None:
            lines.append(sanitize_exact(line))
        else:
            heading = sanitize_exact(f"{title}: {finding.state} {finding.name}")
            heading = _escape_data(heading).replace(":", "%3A").replace(",", "%2C")
            message = _escape_data(sanitize_exact(finding.error["message"]))
            lines.append(f"::error title={heading}::{message}")
    return "".join(line.replace("##[", _ESCAPED_OLD_COMMAND) + "\n" for line in lines)


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _junit(title: str, findings: Sequence[Finding]) -> str:
    """Return one test suite; a finding of state ``unknown`` is an error, others are failures."""
    from xml.etree import ElementTree as ET

    tags = [_junit_tag(each) for each in findings if each.error is not None]
    totals = {
        "name": title,
        "tests": str(len(findings)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(sum(each.state == "skipped" for each in findings)),
        "time": f"{sum(each.seconds or 0.0 for each in findings):.3f}",
    }
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", totals)
    for each in findings:
        time = f"{each.seconds or 0.0:.3f}"
        attributes = {"classname": title, "name": _xml_text(each.name), "time": time}
        case = ET.SubElement(suite, "testcase", attributes)
        if each.error is not None:
            message = _xml_text(each.error["message"])
            ET.SubElement(case, _junit_tag(each), type=each.error["code"], message=message)
        elif each.state == "skipped":
            ET.SubElement(case, "skipped", message=_xml_text(each.detail))
        elif each.detail:
            ET.SubElement(case, "system-out").text = _xml_text(each.detail)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _junit_tag(finding: Finding) -> str:
    return "error" if finding.state == "unknown" else "failure"


def _xml_text(text: str) -> str:
    """Return sanitized text, with characters visible that XML 1.0 (section 2.2) excludes too."""
    visible = sanitize_exact(text).encode("utf-8", "replace").decode()
    return visible.replace("\ufffe", "\\u{fffe}").replace("\uffff", "\\u{ffff}")
