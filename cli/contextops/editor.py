"""The user's editor: which one it is, and how it is run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from contextops.errors import ConfigError, reason


def editor_command(
    environ: Mapping[str, str] = os.environ, *, on_terminal: bool = True
) -> list[str]:
    """Give the words of the user's editor; vi is nobody's without a terminal."""
    import shlex

    told = environ.get("VISUAL") or environ.get("EDITOR")
    if not told and not on_terminal:
        raise ConfigError("no editor", "vi needs a terminal", "set EDITOR")
    told = told or "vi"
    try:
        return shlex.split(told) or ["vi"]
    except ValueError:
        return [told]


def run_editor(editor: Sequence[str], path: Path) -> None:
    """Let the user's editor change a file; raises ``ConfigError`` where it does not end well."""
    import signal
    import subprocess

    remedy = "name an editor that works with VISUAL or EDITOR"
    try:
        process = subprocess.Popen([*editor, str(path)])  # noqa: S603  # the user's own words
    except OSError as error:
        raise ConfigError(f"cannot run the editor {editor[0]}", reason(error), remedy) from None
    # Ctrl-C is the editor's while it runs.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if status:
        raise ConfigError(f"the editor {editor[0]} ended with status {status}", "", remedy)
