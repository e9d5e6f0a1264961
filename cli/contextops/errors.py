"""What can go wrong on purpose, and the exit status that tells it.

The numbers are frozen: scripts read them. Where curl has one, it is curl's, else gh's.
A death by a signal is no failure: see ``SignalInterrupt``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, ClassVar

OK = 0
INTERNAL = 1
"""A bug of ours."""


class _Partial(BaseException):
    """Something that ends an answer before it is whole, and has the part that came."""

    _make: Callable[[], dict[str, Any]] | None = None
    _made: dict[str, Any] | None = None

    def keep(self, make: Callable[[], dict[str, Any]]) -> None:
        """Keep the part; it is made when it is asked for: 64 MB are not decoded for nobody."""
        self._make = make

    @property
    def response(self) -> dict[str, Any] | None:
        """Give the part of an answer that had come, as a ``chat.completion`` object."""
        if self._make is not None:
            self._made, self._make = self._make(), None
        return self._made

    @response.setter
    def response(self, response: dict[str, Any] | None) -> None:
        self._made, self._make = response, None


class ContextopsError(_Partial, Exception):
    """Say in one line what failed, why, and what to do next.

    ``what`` and ``why`` are lower case, ``remedy`` is an imperative; any may hold text of a
    server's, which the printer cuts and sanitizes. ``response`` is the part of an answer that
    had come, in the shape of a ``chat.completion`` object.
    """

    status: ClassVar[int]
    code: ClassVar[str]

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
        """Join what, why and remedy as ``WHAT: WHY; REMEDY``."""
        return "; ".join(part for part in (self.told, self.remedy) if part)

    @property
    def told(self) -> str:
        """Join what and why, for who is not to do anything about it."""
        return ": ".join(part for part in (self.what, self.why) if part)


def reason(error: OSError | ValueError) -> str:
    """Give the system's reason as the ``why`` of a failure: it begins with a capital there."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


class UsageError(ContextopsError):
    """Report flags or arguments that cannot be meant."""

    status, code = 2, "usage"


class ConfigError(ContextopsError):
    """Report settings that cannot be used."""

    status, code = 3, "config"


class AuthError(ContextopsError):
    """Report a missing key, or one that the server refuses."""

    status, code = 4, "auth"


class ModelNotFoundError(ContextopsError):
    """Report a model that the server does not offer."""

    status, code = 5, "model_not_found"


class UnreachableError(ContextopsError):
    """Report that nobody answered."""

    status, code = 7, "unreachable"


class BadResponseError(ContextopsError):
    """Report an answer that is not of this API."""

    status, code = 8, "bad_response"


class NoMatchError(ContextopsError):
    """Report an answer that is not of the form asked for."""

    status, code = 12, "no_match"


class TruncatedError(ContextopsError):
    """Report an answer that is not complete."""

    status, code = 18, "truncated"


class RejectedError(ContextopsError):
    """Report a request that the server will not have."""

    status, code = 22, "rejected"


class OutputError(ContextopsError):
    """Report that what we have cannot be written."""

    status, code = 23, "output"


class InputError(ContextopsError):
    """Report that what we were given cannot be read."""

    status, code = 26, "input"


class TimedOutError(ContextopsError):
    """Report that a limit in time ran out."""

    status, code = 28, "timeout"


class RateLimitedError(ContextopsError):
    """Report a 429 that outlived the retries."""

    status, code = 29, "rate_limited"


class ServerError(ContextopsError):
    """Report that the server, or its provider, broke."""

    status, code = 50, "server_error"


class TlsError(ContextopsError):
    """Report a certificate or a handshake that failed."""

    status, code = 60, "tls"


class TooLargeError(ContextopsError):
    """Report that a limit in size was hit."""

    status, code = 63, "too_large"


class SignalInterrupt(_Partial):
    """End the process by ``signum``, once what there is has been kept.

    Not an ``Exception``: nothing that handles failures may swallow it. ``response`` is the part of
    an answer that had come, as with a failure.
    """

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def status(self) -> int:
        """Give the status that a shell shows for a death by this signal."""
        return 128 + self.signum
