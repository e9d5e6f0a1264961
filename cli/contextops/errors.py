"""Every failure that is not a bug, with the exit status that reports it.

The numbers are frozen: scripts read them. Where curl has one, it is curl's, else gh's. Death by a
signal is not an error: see ``SignalInterrupt``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, ClassVar

OK = 0
INTERNAL = 1
"""A bug in this program."""


class _WithResponse(BaseException):
    """An exception that ends an answer early and carries the part that arrived."""

    _make: Callable[[], dict[str, Any]] | None = None
    _made: dict[str, Any] | None = None

    def set_response(self, make: Callable[[], dict[str, Any]]) -> None:
        """Set how the part is made; that is done when asked for, since it may be 64 MB."""
        self._make = make

    @property
    def response(self) -> dict[str, Any] | None:
        """The part of an answer that arrived, as a ``chat.completion`` object."""
        if self._make is not None:
            self._made, self._make = self._make(), None
        return self._made

    @response.setter
    def response(self, response: dict[str, Any] | None) -> None:
        self._made, self._make = response, None


class ContextopsError(_WithResponse, Exception):
    """The base of all errors: what failed, why, and what to do next, in one line.

    ``what`` and ``why`` are lower case, ``remedy`` is an imperative; any of them may hold text
    from a server, which the printer cuts and sanitizes. ``response`` is the part of an answer that
    arrived, as a ``chat.completion`` object.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    when: ClassVar[str]
    """When this status is the exit status, for ``help exit-codes``."""

    def __init__(
        self,
        what: str,
        why: str = "",
        remedy: str = "",
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
        response: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.http_status = http_status
        self.retry_after = retry_after
        self.response = response

    @property
    def message(self) -> str:
        """The whole line: ``WHAT: WHY; REMEDY``."""
        return "; ".join(part for part in (self.summary, self.remedy) if part)

    @property
    def summary(self) -> str:
        """What failed and why, for a line that needs no remedy: ``WHAT: WHY``."""
        return ": ".join(part for part in (self.what, self.why) if part)


def reason(error: OSError | ValueError) -> str:
    """Return the system's reason for an error, in lower case as a ``why`` is written."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


class UsageError(ContextopsError):
    """Flags or arguments that cannot be used together or at all."""

    status, code = 2, "usage"
    when = "bad flag or argument, flags that exclude each other, no prompt"


class ConfigError(ContextopsError):
    """Settings that cannot be used."""

    status, code = 3, "config"
    when = "broken or unsafe settings, unknown profile, no model chosen, port taken"


class AuthError(ContextopsError):
    """A missing key, or one that the server refuses."""

    status, code = 4, "auth"
    when = "no key, or 401 or 403 of the server itself"


class ModelNotFoundError(ContextopsError):
    """A model that the server does not offer."""

    status, code = 5, "model_not_found"
    when = "the server does not offer the model; models check finds one missing"


class UnreachableError(ContextopsError):
    """A server that did not answer."""

    status, code = 7, "unreachable"
    when = "name, refused, no route, proxy, closed before any answer"


class BadResponseError(ContextopsError):
    """A response that is not one of this API."""

    status, code = 8, "bad_response"
    when = "not HTTP, a web page, not JSON, wrong shape, redirect, unknown path"


class NoMatchError(ContextopsError):
    """An answer that does not match what was asked for."""

    status, code = 12, "no_match"
    when = "the answer does not match what was asked for"


class TruncatedError(ContextopsError):
    """An answer that is not complete."""

    status, code = 18, "truncated"
    when = "the answer ended incomplete, or at a limit that you did not set"


class RejectedError(ContextopsError):
    """A request that the server rejects."""

    status, code = 22, "rejected"
    when = "any other 4xx"


class OutputError(ContextopsError):
    """Output that cannot be written."""

    status, code = 23, "output"
    when = "stdout or an output file cannot be written"


class InputError(ContextopsError):
    """Input that cannot be read."""

    status, code = 26, "input"
    when = "a file or standard input is unreadable, not UTF-8, or too large"


class TimedOutError(ContextopsError):
    """A time limit that ran out."""

    status, code = 28, "timeout"
    when = "connecting, first token, silence, or the whole"


class RateLimitedError(ContextopsError):
    """A 429 that outlasted the retries."""

    status, code = 29, "rate_limited"
    when = "429 after the retries"


class ServerError(ContextopsError):
    """A failure of the server or its provider."""

    status, code = 50, "server_error"
    when = "5xx after the retries, an error in the stream, a provider's failure"


class TlsError(ContextopsError):
    """A certificate or handshake that failed."""

    status, code = 60, "tls"
    when = "certificate or handshake"


class TooLargeError(ContextopsError):
    """A size limit that was hit."""

    status, code = 63, "too_large"
    when = "a size limit was hit"


class SignalInterrupt(_WithResponse):
    """A signal that ends the process once what there is has been saved.

    Not an ``Exception``: no handler of errors may swallow it.
    """

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def status(self) -> int:
        """The status that a shell reports for death by this signal."""
        return 128 + self.signum
