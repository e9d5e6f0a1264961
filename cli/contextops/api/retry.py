"""When a request is tried again, and after how long."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

# 504 only where nothing can be done twice: behind it, the work may still be running.
RETRIED = frozenset({408, 429, 502, 503})
RETRIED_FOR_GET = RETRIED | {504}

MAX_WAIT = 120.0
"""Seconds; a server that asks for a longer wait is not asked again."""

_FIRST_DELAY = 0.5
_LAST_DELAY = 8.0
_DECIMAL = r"[0-9]+(\.[0-9]*)?"


def is_retried(method: str, status: int) -> bool:
    """Tell whether an answer of this status to this method may be asked for again."""
    return status in (RETRIED_FOR_GET if method in ("GET", "HEAD") else RETRIED)


def own_delay(attempt: int) -> float:
    """Give the seconds to wait after attempt 1, 2 …: doubled each time, less up to a quarter."""
    import random

    # No power above 16: that of a thousandth attempt would be no float.
    full = min(_LAST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt - 1, 16))
    return full * random.uniform(0.75, 1.0)  # noqa: S311 - spreads clients, hides nothing


def asked_delay(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Give the seconds that the server asks for, or None where it says nothing of use.

    Reads ``retry-after-ms`` and ``Retry-After`` (RFC 9110, section 10.2.3: seconds or a date).
    May be more than ``MAX_WAIT``; never negative, NaN or infinite.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    return seconds if seconds is not None else _until(text, now or datetime.now(UTC))


def _number(text: str) -> float | None:
    if not re.fullmatch(_DECIMAL, text.strip()):
        return None
    return min(float(text), sys.float_info.max)


def _until(text: str, now: datetime) -> float | None:
    # 19 ms, for a header that is rarely a date.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if seconds >= 0 else None
