"""Stand-ins for the system calls of ``contextops.files``: recorded, failing, or replaced.

The module's own ``os``, ``fcntl`` and ``msvcrt`` are replaced, so that the rest of the process is
not affected.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from contextops import files

_CALLS = {
    "os": [
        *("close", "fchmod", "fstat", "fsync", "ftruncate", "lseek", "lstat", "mkdir", "open"),
        *("read", "replace", "unlink", "write"),
    ],
    "fcntl": ["flock"],
    "msvcrt": ["locking"],
}


class _Proxy:
    """A module some of whose functions are replaced."""

    def __init__(self, module: Any, functions: dict[str, Callable[..., Any]]) -> None:
        self.__dict__.update(functions)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def patch_calls(monkeypatch: pytest.MonkeyPatch, **functions: Callable[..., Any]) -> None:
    """Replace functions of ``os``, by name, as ``contextops.files`` sees them."""
    monkeypatch.setattr(files, "os", _Proxy(files.os, functions))


class SystemSpy:
    """A recorder of system calls that raises ``error`` in the call with index ``fail_at``."""

    def __init__(self, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._fail_at = fail_at
        self._error = error or OSError(errno.ENOSPC, "No space left on device")

    @property
    def names(self) -> list[str]:
        """The names of the calls, in order."""
        return [call[0] for call in self.calls]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> SystemSpy:
        """Record the calls of ``contextops.files`` from here on, and return the spy."""
        for module_name, names in _CALLS.items():
            # A spy that is installed after another replaces it.
            module = getattr(files, module_name, None)
            module = module._module if isinstance(module, _Proxy) else module
            if isinstance(module, ModuleType):
                functions = {
                    name: self._recorded(name, getattr(module, name))
                    for name in names
                    if hasattr(module, name)
                }
                monkeypatch.setattr(files, module_name, _Proxy(module, functions))
        return self

    def _recorded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            if len(self.calls) - 1 == self._fail_at:
                if name == "close":
                    # A close that fails has released the descriptor all the same, and its lock.
                    function(*arguments)
                raise self._error
            return function(*arguments)

        return call
