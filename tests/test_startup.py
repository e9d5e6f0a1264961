"""Which modules a command may load: start-up time, tested without a clock."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contextops.commands import SUMMARIES, SUMMARIES_OF_CHAT, Commands

PROBE = """
import sys
sys.argv[0] = "contextops"
from contextops.__main__ import main
try:
    main()
except SystemExit:
    pass
print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""

HEAVY = {
    *("httpx", "httpcore", "anyio", "h11", "ssl", "rich", "pygments", "markdown_it", "pydantic"),
    *(
        "prompt_toolkit",
        "jsonschema",
        "referencing",
        "xllamacpp",
        "asyncio",
        "urllib.request",
        "email",
    ),
}


def loaded_by(*argv):
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *argv],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return set(result.stderr.split())


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["--version"],
        ["chat", "send", "--help"],
        ["chat", "send", "-n", "-m", "m", "--dry-run", "hi"],
        ["config", "path"],
        ["config", "get", "base_url"],
        ["completion", "bash"],
        ["help", "exit-codes"],
        ["chat", "repl", "--help"],
    ],
    ids=" ".join,
)
def test_command_without_server_loads_no_heavy_module(argv):
    loaded = loaded_by(*argv)
    assert loaded & HEAVY == set()
    # The probe does see the modules that are loaded.
    assert "typer" in loaded


@pytest.mark.parametrize(
    ("argv", "modules"),
    [
        (["--help"], ["context", "options", "parser"]),
        (["--version"], ["context", "options", "parser"]),
        (["config", "path"], ["config", "config_check", "context", "options", "parser"]),
        (["completion", "bash"], ["completion", "context", "options", "parser"]),
        (["chat", "--help"], ["chat", "context", "options", "parser"]),
        (["chat", "send", "--help"], ["chat", "chat_send", "context", "options", "parser"]),
        (["help", "exit-codes"], ["help", "context", "options", "parser"]),
    ],
    ids=str,
)
def test_command_loads_no_module_of_another_command(argv, modules):
    before = "contextops.commands."
    loaded = sorted(name for name in loaded_by(*argv) if name.startswith(before))
    assert loaded == sorted(f"{before}{name}" for name in modules)


@pytest.mark.parametrize(
    ("summaries", "prefix"), [(SUMMARIES, ""), (SUMMARIES_OF_CHAT, "chat_")], ids=["all", "chat"]
)
def test_summaries_equal_the_first_help_line_of_each_command(summaries, prefix):
    loaded = Commands(summaries, prefix)
    assert {name: loaded[name].help.splitlines()[0] for name in loaded} == summaries


def test_piped_repl_loads_no_heavy_module_before_the_first_turn():
    assert loaded_by("chat", "repl", "-m", "m") & HEAVY == set()


def test_repl_on_terminal_loads_the_editor_but_no_http_before_the_first_turn(tmp_path):
    pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
    report = tmp_path / "modules"
    probe = PROBE.replace("file=sys.stderr", f"file=open({str(report)!r}, 'w')")
    child = pexpect.spawn(sys.executable, ["-c", probe, "chat", "repl", "-m", "m"], timeout=10)
    child.expect_exact("m>")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    loaded = set(report.read_text().split())
    assert "prompt_toolkit" in loaded
    assert loaded & {"httpx", "rich", "markdown_it", "pygments", "jsonschema"} == set()
