"""The manual page: written from what the command line says, whole, and fit to be read by man."""

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
    """Give the words of each section, and of each part of COMMANDS, by its title."""
    text = PAGE.read_text(encoding="utf-8").replace("\\-", "-").replace("\\fB", "")
    parts = re.split(r"^\.S[HS] (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_it_is_what_the_generator_writes():
    for path, text in runpy.run_path(str(COMPLETIONS / "manual.py"))["pages"]():
        assert path.read_text(encoding="utf-8") == text, "run: python completions/manual.py"


@pytest.mark.parametrize(
    ("command", "options"),
    [(command, options) for command, options, subcommands in COMMANDS if not subcommands],
)
def test_it_has_every_command_and_option(sections, command, options):
    own, shared = (
        sections[command.removeprefix("contextops ")],
        sections["OPTIONS"] + sections["Of commands that reach a server"],
    )
    assert options <= {*OPTION.findall(own), *OPTION.findall(shared)}
    assert f"\n{command} [OPTIONS]" in sections["SYNOPSIS"]


@pytest.mark.parametrize(
    ("topic", "section"), [("exit-codes", "EXIT STATUS"), ("environment", "ENVIRONMENT")]
)
def test_it_has_what_help_says_on(run, sections, topic, section):
    lines = run("help", topic).stdout.splitlines()
    # Two spaces stand between the columns of the table.
    rows = [line for line in lines if "  " in line]
    assert len(rows) > 10
    for row in rows:
        assert f"\n.TP\n{row.split('  ')[0]}\\fR\n" in sections[section]
    words = " ".join(sections[section].replace("\\(aq", "'").split())
    assert " ".join(line for line in lines if line and line not in rows)[:200] in words


def test_it_has_examples_files_and_a_name(sections):
    assert "contextops \\- ask" in PAGE.read_text(encoding="utf-8")
    assert "git diff --cached | contextops chat send" in sections["EXAMPLES"]
    assert "(ti/.config/contextops/config.toml" in sections["FILES"]


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff on this machine")
def test_it_is_read_without_a_warning():
    told = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", PAGE], check=False, capture_output=True
    )
    assert (told.returncode, told.stderr) == (0, b"")
    assert "EXIT STATUS" in re.sub(r"\x1b\[\d*m|.\x08", "", told.stdout.decode())
