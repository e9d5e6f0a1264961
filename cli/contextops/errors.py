"""The errors of the program that are not bugs, each with its exit status.

The numbers never change, because scripts read them. Where curl has one for the same error, it is
curl's, else gh's. Death by a signal is not an error: see ``SignalInterrupt``.
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

    _build: Callable[[], dict[str, Any]] | None = None
    _response: dict[str, Any] | None = None

    def set_response(self, build: Callable[[], dict[str, Any]]) -> None:
        """Set the function that builds ``response`` on first access, since it may be 64 MB."""
        self._build = build

    @property
    def response(self) -> dict[str, Any] | None:
        """The part of an answer that arrived, as a ``chat.completion`` object."""
        if self._build is not None:
            self._response, self._build = self._build(), None
        return self._response

    @response.setter
    def response(self, response: dict[str, Any] | None) -> None:
        self._response, self._build = response, None


class ContextopsError(_WithResponse, Exception):
    """The base of all errors: what failed, why, and what to do next, in one line.

    ``what`` and ``why`` are in lower case, ``remedy`` is an imperative. Any of them may contain
    text from a server, which the printer truncates and sanitizes. ``response`` is the part of an
    answer that arrived, as a ``chat.completion`` object.
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
        """The complete message: ``WHAT: WHY; REMEDY``."""
        return "; ".join(part for part in (self.summary, self.remedy) if part)

    @property
    def summary(self) -> str:
        """The message without its remedy: ``WHAT: WHY``."""
        return ": ".join(part for part in (self.what, self.why) if part)


def reason(error: OSError | ValueError) -> str:
    """Return the system's text for an error, as a ``why``: its first letter in lower case."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


class UsageError(ContextopsError):
    """Flags or arguments that cannot be used together or at all."""

    status, code = 2, "usage"
    when = "invalid flag or argument, flags that exclude each other, no prompt"


class ConfigError(ContextopsError):
    """Settings that cannot be used."""

    status, code = 3, "config"
    when = "invalid or unsafe settings, unknown profile, no model chosen, port in use"


class AuthError(ContextopsError):
    """A missing key, or one that the server refuses."""

    status, code = 4, "auth"
    when = "no key, or 401 or 403 from the server itself"


class ModelNotFoundError(ContextopsError):
    """A model that the server does not offer."""

    status, code = 5, "model_not_found"
    when = "the server does not offer the model; models check misses one"


class UnreachableError(ContextopsError):
    """A server that did not answer."""

    status, code = 7, "unreachable"
    when = "DNS, connection refused, no route, proxy, closed before any answer"


class BadResponseError(ContextopsError):
    """A response that is not one of this API."""

    status, code = 8, "bad_response"
    when = "not HTTP, a web page, invalid JSON, wrong structure, redirect, unknown path"


class NoMatchError(ContextopsError):
    """An answer that does not have the requested format."""

    status, code = 12, "no_match"
    when = "the answer does not have the requested format"


class TruncatedError(ContextopsError):
    """An answer that is not complete."""

    status, code = 18, "truncated"
    when = "the answer ended early, or at a limit that you did not set"


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
    """A time limit that was reached."""

    status, code = 28, "timeout"
    when = "connecting, first token, idle, or total time"


class RateLimitedError(ContextopsError):
    """A 429 that remained after the retries."""

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
    """A size limit that was exceeded."""

    status, code = 63, "too_large"
    when = "a size limit of contextops was exceeded"


class SignalInterrupt(_WithResponse):
    """A signal that ends the process once the part of the answer that arrived has been saved.

    Not an ``Exception``, so that ``except Exception`` does not catch it.
    """

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def status(self) -> int:
        """The status that a shell reports for death by this signal."""
        return 128 + self.signum
