"""Which time limit is reached next, on a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops.api.timeouts import Deadlines


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def deadlines(clock: Clock) -> Callable[..., Deadlines]:
    def make(**limits: float) -> Deadlines:
        none = {"connect": 0.0, "first_token": 0.0, "idle": 0.0, "total": 0.0}
        return Deadlines(**{**none, **limits}, clock=clock)

    return make


def sent(timer: Deadlines) -> Deadlines:
    timer.begin()
    timer.connected()
    timer.sent()
    return timer


def test_zero_means_no_limit(deadlines, clock):
    timer = deadlines()
    for step in (timer.begin, timer.connected, timer.sent, timer.token):
        step()
        clock.now += 1e6
        assert timer.remaining() is None
    assert timer.allows(1e9)


def test_connect_timeout_starts_anew_for_each_attempt(deadlines, clock):
    timer = deadlines(connect=10)
    timer.begin()
    clock.now += 4
    assert timer.remaining() == 6
    timer.begin()
    assert timer.remaining() == 10


def test_first_token_timeout_starts_after_upload(deadlines, clock):
    timer = deadlines(connect=10, first_token=5)
    timer.begin()
    timer.connected()
    clock.now += 100
    assert timer.remaining() is None
    timer.sent()
    assert timer.remaining() == 5


def test_only_tokens_restart_the_idle_timeout(deadlines, clock):
    timer = sent(deadlines(first_token=5, idle=3))
    clock.now += 4
    # Heads, comments and pings do not reach the deadlines at all.
    assert timer.remaining() == 1
    timer.token()
    assert timer.remaining() == 3
    clock.now += 2
    assert timer.remaining() == 1
    timer.token()
    assert timer.remaining() == 3


def test_max_time_spans_all_attempts(deadlines, clock):
    timer = deadlines(connect=10, first_token=100, total=15)
    timer.begin()
    clock.now += 9
    timer.begin()
    assert timer.remaining() == 6, "not the ten of the second attempt"
    clock.now += 1
    assert sent(timer).remaining() == 5
    clock.now += 60
    assert timer.remaining() == 0
    assert timer.elapsed == 70


def test_wait_is_allowed_only_within_max_time(deadlines, clock):
    timer = deadlines(total=10)
    assert timer.allows(9)
    assert not timer.allows(10), "nothing could be done after it"
    clock.now += 5
    assert timer.allows(4)
    assert not timer.allows(6)


def test_complete_answer_leaves_five_seconds_for_its_end(deadlines, clock):
    timer = sent(deadlines())
    timer.token()
    timer.completed()
    rest = timer.remaining()
    assert rest is not None
    assert 0 < rest <= 5
    clock.now += rest - 1
    # What follows, such as the usage, does not restart it.
    timer.completed()
    assert timer.remaining() == pytest.approx(1)


@pytest.mark.parametrize(
    ("limits", "steps", "flag", "why"),
    [
        ({"connect": 0.5, "total": 9}, ["begin"], "--connect-timeout", "0.5 s"),
        ({"first_token": 300}, ["sent"], "--first-token-timeout", "300 s"),
        ({"first_token": 5, "idle": 120}, ["sent", "token"], "--idle-timeout", "120 s"),
        ({"first_token": 300, "total": 30}, ["sent"], "--max-time", "30 s"),
        ({"idle": 90, "total": 86400}, ["sent", "token"], "--idle-timeout", "90 s"),
        ({"total": 86400}, ["connected"], "--max-time", "86400 s"),
    ],
)
def test_timeout_error_names_the_limit_reached(deadlines, clock, limits, steps, flag, why):
    timer = deadlines(**limits)
    timer.begin()
    for step in steps:
        getattr(timer, step)()
    clock.now += timer.remaining()
    error = timer.error()
    assert error.status == 28
    assert flag in error.remedy
    assert why in error.why


STEPS = st.sampled_from(["begin", "connected", "sent", "token", "completed"])


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {name: st.floats(0, 1e6) for name in ("connect", "first_token", "idle", "total")}
    ),
    st.lists(STEPS | st.floats(0, 1e6), max_size=30),
)
def test_remaining_time_is_within_zero_and_the_longest_limit(limits, steps):
    clock = Clock()
    timer = Deadlines(**limits, clock=clock)
    for step in steps:
        if isinstance(step, float):
            clock.now += step
        else:
            getattr(timer, step)()
        remaining = timer.remaining()
        if limits["total"]:
            assert remaining is not None
            assert remaining <= max(0, limits["total"] - timer.elapsed) + 1e-6
        if remaining is not None:
            assert 0 <= remaining <= max(5, *limits.values()) + 1e-6
            assert timer.error().status == 28
