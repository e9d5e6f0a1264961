"""Which limit in time runs out next, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops.api.timeouts import Deadlines


class Clock:
    """A clock that stands still until it is turned."""

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


def test_zero_is_no_limit(deadlines, clock):
    timer = deadlines()
    for step in (timer.begin, timer.connected, timer.sent, timer.token):
        step()
        clock.now += 1e6
        assert timer.remaining() is None
    assert timer.allows(1e9)


def test_connecting_has_a_limit_for_each_attempt(deadlines, clock):
    timer = deadlines(connect=10)
    timer.begin()
    clock.now += 4
    assert timer.remaining() == 6
    timer.begin()
    assert timer.remaining() == 10


def test_an_upload_is_not_waiting_for_the_first_word(deadlines, clock):
    timer = deadlines(connect=10, first_token=5)
    timer.begin()
    timer.connected()
    clock.now += 100
    assert timer.remaining() is None
    timer.sent()
    assert timer.remaining() == 5


def test_what_is_no_word_moves_no_limit(deadlines, clock):
    timer = sent(deadlines(first_token=5, idle=3))
    clock.now += 4
    # Heads, comments and pings are not told of at all.
    assert timer.remaining() == 1
    timer.token()
    assert timer.remaining() == 3
    clock.now += 2
    assert timer.remaining() == 1
    timer.token()
    assert timer.remaining() == 3


def test_the_whole_is_over_all_attempts(deadlines, clock):
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


def test_a_wait_must_fit_into_the_whole(deadlines, clock):
    timer = deadlines(total=10)
    assert timer.allows(9)
    assert not timer.allows(10), "nothing could be done after it"
    clock.now += 5
    assert timer.allows(4)
    assert not timer.allows(6)


def test_a_proved_answer_is_not_waited_for_long(deadlines, clock):
    timer = sent(deadlines())
    timer.token()
    timer.completed()
    rest = timer.remaining()
    assert rest is not None
    assert 0 < rest <= 5
    clock.now += rest - 1
    # What follows, the usage say, is no reason to begin again.
    timer.completed()
    assert timer.remaining() == pytest.approx(1)


@pytest.mark.parametrize(
    ("limits", "steps", "flag", "told"),
    [
        ({"connect": 0.5, "total": 9}, ["begin"], "--connect-timeout", "0.5 s"),
        ({"first_token": 300}, ["sent"], "--first-token-timeout", "300 s"),
        ({"first_token": 5, "idle": 120}, ["sent", "token"], "--idle-timeout", "120 s"),
        ({"first_token": 300, "total": 30}, ["sent"], "--max-time", "30 s"),
        ({"idle": 90, "total": 86400}, ["sent", "token"], "--idle-timeout", "90 s"),
        ({"total": 86400}, ["connected"], "--max-time", "86400 s"),
    ],
)
def test_says_which_limit_it_was(deadlines, clock, limits, steps, flag, told):
    timer = deadlines(**limits)
    timer.begin()
    for step in steps:
        getattr(timer, step)()
    clock.now += timer.remaining()
    failure = timer.error()
    assert failure.status == 28
    assert flag in failure.remedy
    assert told in failure.why


STEPS = st.sampled_from(["begin", "connected", "sent", "token", "completed"])


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {name: st.floats(0, 1e6) for name in ("connect", "first_token", "idle", "total")}
    ),
    st.lists(STEPS | st.floats(0, 1e6), max_size=30),
)
def test_what_remains_is_never_negative_nor_longer_than_the_longest_limit(limits, steps):
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
