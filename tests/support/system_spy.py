"""The calls that the store makes of the system, noted, and failing where a test wants it."""

from __future__ import annotations

import errno

from contextops import files


class Spy:
    """Stand between the store and the system: note the calls, and let the k-th one fail."""

    def __init__(self, fail_at=None, error=None):
        self.calls = []
        self._fail_at = fail_at
        self._error = error or OSError(errno.ENOSPC, "No space left on device")
        self._real = files.System()

    def __getattr__(self, name):
        real = getattr(self._real, name)

        def call(*arguments):
            self.calls.append((name, *arguments))
            if len(self.calls) - 1 == self._fail_at:
                if name == "close":
                    # One that fails has closed all the same, and the lock with it.
                    real(*arguments)
                raise self._error
            return real(*arguments)

        return call

    @property
    def verbs(self):
        return [call[0] for call in self.calls]
