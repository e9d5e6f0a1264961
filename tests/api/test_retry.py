"""When a request is tried again, and after how long: whatever a server asks for."""

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
def test_what_passes_is_tried_again(status: int):
    assert all(is_retried(method, status) for method in ("GET", "HEAD", "POST", "DELETE"))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 413, 422, 500, 501, 505, 522])
def test_what_stays_is_not(status: int):
    assert not any(is_retried(method, status) for method in ("GET", "HEAD", "POST", "DELETE"))


def test_work_that_may_still_be_running_is_not_asked_for_twice():
    assert is_retried("GET", 504)
    assert not is_retried("POST", 504)
    assert not is_retried("DELETE", 504)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (50, 8.0)]
)
def test_own_waits_double_up_to_eight_seconds(attempt: int, longest: float):
    waits = [backoff(attempt) for _ in range(200)]
    assert longest / 2 < min(waits) <= max(waits) <= longest
    assert len(set(waits)) > 100, "clients that were refused together come back apart"


@given(st.integers(1, 10**9))
@example(1025)
def test_own_waits_have_a_bound(attempt: int):
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
def test_reads_seconds_and_dates(value: str, seconds: float):
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
def test_what_says_nothing_of_use_leaves_our_own_wait(value: str):
    assert retry_after({"retry-after": value}, NOW) is None


def test_no_header_says_nothing():
    assert retry_after({}) is None
    assert retry_after({"x-ratelimit-reset": "5"}) is None


@pytest.mark.parametrize("value", ["121", "9" * 16, "9" * 400, "99999999999999999999.5"])
def test_what_asks_for_too_long_is_no_silence(value: str):
    asked = retry_after({"retry-after": value})
    assert asked is not None
    assert MAX_WAIT < asked < float("inf")


def test_milliseconds_say_it_better():
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after-ms": "soon", "retry-after": "9"}) == 9
    assert retry_after({"retry-after-ms": "-1"}) is None


# Through the loop that waits ------------------------------------------------------------------


@dataclass
class Refusing:
    """A transport and its response, a refusal for ever."""

    headers: dict[str, str]
    status: int = 429
    sent: int = 0
    closed: int = 0
    slept: list[float] = field(default_factory=list)

    def send(self, _request: Request, _deadlines: Deadlines) -> Refusing:
        self.sent += 1
        return self

    def blocks(self) -> Iterator[bytes]:
        yield b"no"

    def close(self) -> None:
        self.closed += 1

    def settle(self, *, retries: int = 2, total: float = 0.0) -> list[str]:
        notes: list[str] = []
        deadlines = Deadlines(connect=0, first_token=0, idle=0, total=total)
        with mock.patch("time.sleep", self.slept.append):
            attempts = Retrier(self, retries=retries, note=notes.append)  # type: ignore[arg-type]
            assert attempts.send(Request("POST", "http://h/"), deadlines).attempts == self.sent
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
def test_any_header_gives_a_wait_within_two_minutes_or_none(headers: dict[str, str]):
    asked = retry_after(headers)
    assert asked is None or 0 <= asked < float("inf")
    refusing = Refusing(headers)
    refusing.settle()
    assert all(0 <= seconds <= 120 for seconds in refusing.slept)
    assert len(refusing.slept) == (2 if asked is None or asked <= 120 else 0)
    if asked is None:
        assert refusing.slept[0] <= 0.5
        assert refusing.slept[1] <= 1


def test_waits_as_long_as_it_is_asked_to_and_says_so():
    refusing = Refusing({"retry-after": "7"})
    notes = refusing.settle()
    assert refusing.slept == [7, 7]
    assert all("7.0 s" in note for note in notes)


def test_nobody_waits_longer_than_two_minutes():
    assert len(Refusing({"retry-after": "120"}).settle()) == 2
    assert not Refusing({"retry-after": "121"}).settle()


def test_a_wait_that_does_not_fit_into_the_whole_is_none():
    assert not Refusing({"retry-after": "10"}).settle(total=9)
    assert Refusing({"retry-after": "10"}).settle(total=60)


def test_no_retries_are_one_attempt():
    assert not Refusing({}).settle(retries=0)
    assert len(Refusing({}).settle(retries=5)) == 5
