"""The manual page: generated from the command line, complete, and readable by man."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from command_tree import COMMANDS

COMPLETIONS = Path(__file__).parents[1] / "completions"
PAGE = COMPLETIONS / "contextops.1"
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


@pytest.fixture(scope="module")
def sections():
    """Return the text of each section, and of each part of COMMANDS, by its title."""
    text = PAGE.read_text(encoding="utf-8").replace("\\-", "-").replace("\\fB", "")
    parts = re.split(r"^\.S[HS] (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_manual_page_is_up_to_date():
    for path, text in runpy.run_path(str(COMPLETIONS / "manual.py"))["pages"]():
        assert path.read_text(encoding="utf-8") == text, "run: python completions/manual.py"


@pytest.mark.parametrize(
    ("command", "options"),
    [(command, options) for command, options, subcommands in COMMANDS if not subcommands],
)
def test_manual_page_has_every_command_and_option(sections, command, options):
    command_section, shared_sections = (
        sections[command.removeprefix("contextops ")],
        sections["OPTIONS"] + sections["Of commands that reach a server"],
    )
    assert options <= {*OPTION.findall(command_section), *OPTION.findall(shared_sections)}
    assert f"\n{command} [OPTIONS]" in sections["SYNOPSIS"]


@pytest.mark.parametrize(
    ("topic", "section"), [("exit-codes", "EXIT STATUS"), ("environment", "ENVIRONMENT")]
)
def test_manual_page_has_every_entry_of_the_help_topic(run, sections, topic, section):
    lines = run("help", topic).stdout.splitlines()
    # Two spaces separate the columns of the table.
    rows = [line for line in lines if "  " in line]
    assert len(rows) > 10
    for row in rows:
        assert f"\n.TP\n{row.split('  ')[0]}\\fR\n" in sections[section]
    words = " ".join(sections[section].replace("\\(aq", "'").split())
    assert " ".join(line for line in lines if line and line not in rows)[:200] in words


def test_manual_page_has_name_examples_and_files(sections):
    assert "contextops \\- ask" in PAGE.read_text(encoding="utf-8")
    assert "git diff --cached | contextops chat send" in sections["EXAMPLES"]
    assert "(ti/.config/contextops/config.toml" in sections["FILES"]


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
def test_groff_renders_manual_page_without_warnings():
    result = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", PAGE], check=False, capture_output=True
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert "EXIT STATUS" in re.sub(r"\x1b\[\d*m|.\x08", "", result.stdout.decode())
