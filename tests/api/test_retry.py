"""When a request is sent again, and after how long, whatever a server asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops.api.error_responses import retry_after
from contextops.api.request import Request
from contextops.api.retry import MAX_WAIT, Retrier, backoff, is_retried
from contextops.api.timeouts import Deadlines

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 429, 502, 503])
def test_passing_status_is_retried(status: int):
    assert all(is_retried(method, status) for method in ("GET", "HEAD", "POST", "DELETE"))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 413, 422, 500, 501, 505, 522])
def test_lasting_status_is_not_retried(status: int):
    assert not any(is_retried(method, status) for method in ("GET", "HEAD", "POST", "DELETE"))


def test_504_is_retried_for_get_only():
    assert is_retried("GET", 504)
    assert not is_retried("POST", 504)
    assert not is_retried("DELETE", 504)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (50, 8.0)]
)
def test_backoff_doubles_up_to_eight_seconds_with_jitter(attempt: int, longest: float):
    waits = [backoff(attempt) for _ in range(200)]
    assert longest / 2 < min(waits) <= max(waits) <= longest
    assert len(set(waits)) > 100, "clients that failed together come back at different times"


@given(st.integers(1, 10**9))
@example(1025)
def test_backoff_of_any_attempt_is_at_most_eight_seconds(attempt: int):
    assert 0 < backoff(attempt) <= 8


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("0", 0), ("1", 1), (" 7 ", 7), ("120", 120), ("1.5", 1.5), ("0003", 3), ("3.", 3)),
        *(("121", 121), ("86400", 86400), ("0" * 30 + "5", 5)),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30),
        ("Sun Nov 22 12:00:30 2026", 30),
        ("Sun, 22 Nov 2026 13:00:05 +0100", 5),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0),
    ],
)
def test_retry_after_reads_seconds_and_dates(value: str, seconds: float):
    assert retry_after({"retry-after": value}, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "-5", "+5", "NaN", "inf", "Infinity", "1e400", "9e99", "1e2"),
        *("0x10", "1,5", "1 2"),
        *("soon", "5 s", "٣", "1_000", ".5", "\x00", "é"),
        *("Sun, 22 Nov 2026 11:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"),
        *("Sun, 22 Nov 100000 12:00:00 GMT", "Sun, 31 Feb 2026 12:00:00 GMT", "Sun, 22 Nov 2026"),
        *("Sun, 22 Nov 2026 25:61:61 GMT", "Sun, 22 Nov 2026 12:00:00 +9999"),
    ],
)
def test_unusable_retry_after_is_none(value: str):
    assert retry_after({"retry-after": value}, NOW) is None


def test_retry_after_without_header_is_none():
    assert retry_after({}) is None
    assert retry_after({"x-ratelimit-reset": "5"}) is None


@pytest.mark.parametrize("value", ["121", "9" * 16, "9" * 400, "99999999999999999999.5"])
def test_too_long_retry_after_is_returned(value: str):
    requested = retry_after({"retry-after": value})
    assert requested is not None
    assert MAX_WAIT < requested < float("inf")


def test_retry_after_ms_wins_over_retry_after():
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after-ms": "soon", "retry-after": "9"}) == 9
    assert retry_after({"retry-after-ms": "-1"}) is None


# The Retrier ------------------------------------------------------------------------------------


@dataclass
class FailingTransport:
    """A transport and its response, an error each time."""

    headers: dict[str, str]
    status: int = 429
    sent: int = 0
    closed: int = 0
    slept: list[float] = field(default_factory=list)

    def send(self, _request: Request, _deadlines: Deadlines) -> FailingTransport:
        self.sent += 1
        return self

    def blocks(self) -> Iterator[bytes]:
        yield b"no"

    def close(self) -> None:
        self.closed += 1

    def send_until_final(self, *, retries: int = 2, total: float = 0.0) -> list[str]:
        notes: list[str] = []
        deadlines = Deadlines(connect=0, first_token=0, idle=0, total=total)
        with mock.patch("time.sleep", self.slept.append):
            retrier = Retrier(self, retries=retries, note=notes.append)  # type: ignore[arg-type]
            assert retrier.send(Request("POST", "http://h/"), deadlines).attempts == self.sent
        assert self.closed == self.sent
        assert len(notes) == len(self.slept) == self.sent - 1
        return notes


DATES = st.datetimes(datetime(1990, 1, 1), datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda moment: format_datetime(moment.replace(tzinfo=UTC), usegmt=True)
)
HEADERS = (
    st.text(st.characters(max_codepoint=0xFF), max_size=40)
    | st.from_regex(r"[-+]?[0-9.eE]{1,20}", fullmatch=True)
    | st.integers().map(str)
    | st.floats().map(str)
    | DATES
    | st.lists(
        st.sampled_from(["Sun", ",", "22", "Nov", "99999", "12:00:00", "GMT", "+9999", "(", "-1"])
    ).map(" ".join)
)


@settings(max_examples=60)
@given(st.fixed_dictionaries({}, optional={"retry-after": HEADERS, "retry-after-ms": HEADERS}))
@example({"retry-after": "9" * 400})
@example({"retry-after": "120"})
def test_any_retry_after_leads_to_waits_of_at_most_two_minutes(headers: dict[str, str]):
    requested = retry_after(headers)
    assert requested is None or 0 <= requested < float("inf")
    transport = FailingTransport(headers)
    transport.send_until_final()
    assert all(0 <= seconds <= 120 for seconds in transport.slept)
    assert len(transport.slept) == (2 if requested is None or requested <= 120 else 0)
    if requested is None:
        assert transport.slept[0] <= 0.5
        assert transport.slept[1] <= 1


def test_wait_lasts_as_long_as_requested_and_is_noted():
    transport = FailingTransport({"retry-after": "7"})
    notes = transport.send_until_final()
    assert transport.slept == [7, 7]
    assert all("7.0 s" in note for note in notes)


def test_no_retry_if_more_than_two_minutes_are_requested():
    assert len(FailingTransport({"retry-after": "120"}).send_until_final()) == 2
    assert not FailingTransport({"retry-after": "121"}).send_until_final()


def test_no_retry_if_wait_exceeds_max_time():
    assert not FailingTransport({"retry-after": "10"}).send_until_final(total=9)
    assert FailingTransport({"retry-after": "10"}).send_until_final(total=60)


def test_number_of_retries_limits_the_attempts():
    assert not FailingTransport({}).send_until_final(retries=0)
    assert len(FailingTransport({}).send_until_final(retries=5)) == 5


def test_wait_hook_replaces_note_and_sleep():
    waits: list[tuple[float, str]] = []
    notes: list[str] = []
    transport = FailingTransport({"retry-after": "7"})
    with mock.patch("time.sleep", transport.slept.append):
        retrier = Retrier(
            transport,  # type: ignore[arg-type]
            retries=1,
            note=notes.append,
            wait=lambda seconds, reason: waits.append((seconds, reason)),
        )
        deadlines = Deadlines(connect=0, first_token=0, idle=0, total=0)
        final = retrier.send(Request("POST", "http://h/"), deadlines)
    assert (final.attempts, final.error.status if final.error else 0) == (2, 29)
    assert waits == [(7, "too many requests: no")]
    assert not notes
    assert not transport.slept
