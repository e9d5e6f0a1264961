"""Make the picture of README from a real run: ``python .github/session.py``.

Runs the commands at a terminal of its own, with the embedded model (README says how to install it),
and draws what came as an SVG beside this file.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pexpect
from rich.console import Console
from rich.text import Text

COLUMNS = 92
COMMANDS = [
    'contextops chat send --local --max-tokens 60 -t 0 "In one sentence: why is the sky blue?"',
    "contextops models check --local --probe '*' gpt-4",
    "echo $?",
    "contextops models list --local | head -1",
    "contextops chat send --base-url http://localhost:9 --retries 0 hi; echo $?",
]
PROMPT = "$ "


def shown(commands: list[str]) -> str:
    """Type the commands into a shell and give all that the terminal showed."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "PS1": PROMPT, "TERM": "xterm-256color"}
        shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "--noediting"],
            env=env,
            dimensions=(60, COLUMNS),
            encoding="utf-8",
            timeout=60,
        )
        shell.setecho(state=False)
        shell.expect_exact(PROMPT)
        told = ""
        for command in commands:
            shell.sendline(command)
            shell.expect_exact(f"\n{PROMPT}")
            told += f"{PROMPT}{command}\n{shell.before}\n"
        shell.close()
    return told


def without_spinner(text: str) -> str:
    """Take what was drawn over: of each line, what stood there last."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2].replace("\x1b[K", "") for line in lines)


def main() -> None:
    """Write the picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(without_spinner(shown(COMMANDS)).strip()))
    picture = Path(__file__).with_name("session.svg")
    console.save_svg(str(picture), title="contextops")


if __name__ == "__main__":
    main()
