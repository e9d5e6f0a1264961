"""The API key: read from a value, a file or a command when a request is about to be sent.

Another source, such as a keyring, is a setting in ``KEY_SOURCES`` and a case of
``make_key_source``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from contextops.config.paths import read_limited
from contextops.config.settings import Settings
from contextops.config.values import parse_key
from contextops.errors import ConfigError, reason
from contextops.secrets import redact

if TYPE_CHECKING:
    import subprocess

    from contextops.config.layers import SettingValue

_MAX_KEY_SIZE = 64 * 2**10
_WAIT_STEP = 0.1
_COMMAND_TIMEOUT = 30.0


class KeySource:
    """Where a key comes from; it is read once, when it is first needed."""

    def __init__(
        self, origin: str, fetch: Callable[[], str], *, runs_command: bool = False
    ) -> None:
        self.origin = origin
        self.runs_command = runs_command
        self._fetch = fetch
        self._key: str | None = None

    def __repr__(self) -> str:
        """Name the source, never the key: the text may end in a log."""
        return f"KeySource({self.origin!r})"

    @property
    def is_read(self) -> bool:
        """Whether the key has been read."""
        return self._key is not None

    def read(self) -> str:
        """Return the key.

        Raises:
            ConfigError: if it cannot be read or is not valid; the error does not contain it.
        """
        if self._key is None:
            try:
                self._key = parse_key(self._fetch())
            except UnicodeDecodeError:
                raise self._error("it is not UTF-8") from None
            except ValueError as error:
                raise self._error(str(error)) from None
        return self._key

    def _error(self, why: str) -> ConfigError:
        return ConfigError(
            f"cannot use the key from {self.origin}",
            why,
            "find its source with 'contextops config list --show-origin'",
        )


def make_key_source(source: SettingValue, resolve_path: Callable[[str], Path]) -> KeySource:
    """Return the source of the key that a setting of ``KEY_SOURCES`` names; no file is read yet.

    ``resolve_path`` returns the path that the text of the setting names. Raises ``ConfigError`` if
    the setting cannot have this value.
    """
    value = source.value
    if source.setting is Settings.api_key:
        return KeySource(source.origin, lambda: str(value))
    if source.setting is Settings.api_key_command:
        return KeySource(source.origin, lambda: run_key_command(value), runs_command=True)
    path = resolve_path(value)
    return KeySource(source.origin, lambda: read_key_file(path))


def read_key_file(path: Path) -> str:
    """Return the text of a key file; its mode is not checked: mounted secrets have any mode."""
    try:
        raw = read_limited(path, _MAX_KEY_SIZE)
    except OSError as error:
        raise ConfigError(
            f"cannot read the key file {path}",
            reason(error),
            "name another with --api-key-file or 'contextops config set api_key_file PATH'",
        ) from None
    return raw.decode("utf-8")


def run_key_command(command: Sequence[str]) -> str:
    """Return the output of the command that prints the key.

    It is run without a shell and without standard input. Neither its output nor its errors are
    shown: both may contain the key.

    Raises:
        ConfigError: if it fails, prints more than 64 KiB or does not end within 30 seconds.
    """
    import subprocess

    try:
        status, output = _run(command)
    except subprocess.TimeoutExpired:
        why = f"it did not end within {_COMMAND_TIMEOUT:g} s"
    except FileNotFoundError:
        why = "there is no such program"
    except OSError as error:
        why = reason(error)
    else:
        if len(output) > _MAX_KEY_SIZE:
            why = f"it printed more than {_MAX_KEY_SIZE} bytes"
        elif status == 0:
            return output.decode("utf-8")
        else:
            why = f"it ended with status {status}"
    raise ConfigError(
        f"api_key_command returned no key ({redact(command[0])})", why, "run it by hand to see why"
    )


def _run(command: Sequence[str]) -> tuple[int, bytes]:
    """Return the status and the output of a command.

    If an exception ends the wait, such as a signal to this process, the command ends with it.
    """
    child = _Child(command)
    child.start()
    try:
        return child.wait(_COMMAND_TIMEOUT), child.output
    except BaseException:
        child.kill()
        raise


class _Child(threading.Thread):
    """A thread that starts a command and reads its output.

    Signal handlers run in the main thread only, so no signal can come between the start of the
    process and the assignment of ``process``. On Windows, only a thread can wait for a pipe.
    """

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.error = OSError()
        self.output = b""
        self._command = command
        self._is_started = threading.Event()

    def run(self) -> None:
        import subprocess

        try:
            self.process = subprocess.Popen(  # noqa: S603  # the user's own command, and no shell
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self.error = error
            return
        finally:
            self._is_started.set()
        if self.process.stdout:
            with self.process.stdout as stream:
                self.output = stream.read(_MAX_KEY_SIZE + 1)

    def wait(self, timeout: float) -> int:
        """Return the status; a command that prints too much is killed.

        Raises:
            subprocess.TimeoutExpired: if the command, or a process that it started and that may
                print more, still runs after ``timeout`` seconds.
            OSError: if it cannot be started.
        """
        import subprocess

        deadline = time.monotonic() + timeout
        # In short steps: a signal that comes just before a wait begins does not end it, which
        # happened in 2 of 100 tries on a loaded machine.
        while self.is_alive() and (left := deadline - time.monotonic()) > 0:
            self.join(min(left, _WAIT_STEP))
        if self.is_alive():
            raise subprocess.TimeoutExpired(self._command, timeout)
        if self.process is None:
            raise self.error
        if len(self.output) > _MAX_KEY_SIZE:
            self.kill()
        return self.process.wait(max(0.0, deadline - time.monotonic()))

    def kill(self) -> None:
        """Kill the command and all processes of its session, and wait for its end."""
        self._is_started.wait()
        if self.process is None:
            return
        if sys.platform == "win32":
            self.process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
