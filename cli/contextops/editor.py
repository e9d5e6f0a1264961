"""The user's text editor: which command it is, and running it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from contextops.errors import ConfigError, reason


def editor_command(
    environ: Mapping[str, str] = os.environ, *, on_terminal: bool = True
) -> list[str]:
    """Return the words of ``VISUAL``, else of ``EDITOR``, else ``vi``.

    Raises:
        ConfigError: neither variable is set, and ``vi`` would need a terminal.
    """
    import shlex

    command = environ.get("VISUAL") or environ.get("EDITOR")
    if not command:
        if not on_terminal:
            raise ConfigError("no editor", "vi needs a terminal", "set EDITOR")
        return ["vi"]
    try:
        return shlex.split(command) or ["vi"]
    except ValueError:
        # An unbalanced quote: a path that contains an apostrophe.
        return [command]


def run_editor(editor: Sequence[str], path: Path) -> None:
    """Open a file in the editor and wait until the editor ends.

    Ctrl-C is left to the editor while it runs.

    Raises:
        ConfigError: the editor cannot be run, or ends with a status other than 0.
    """
    import signal
    import subprocess

    remedy = "set VISUAL or EDITOR to an editor that works"
    try:
        process = subprocess.Popen([*editor, str(path)])  # noqa: S603  the user's own command
    except OSError as error:
        raise ConfigError(f"cannot run the editor {editor[0]}", reason(error), remedy) from None
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        raise
    finally:
        signal.signal(signal.SIGINT, previous)
    if status:
        raise ConfigError(f"the editor {editor[0]} ended with status {status}", "", remedy)
