"""When models are asked for again: the clock of a wait, without one."""

from __future__ import annotations

import pytest

from contextops.checks.models import (
    ModelCheck,
    check_listed,
    combined_error,
    poll_until_ok,
    probe_models,
)
from contextops.errors import (
    AuthError,
    ConfigError,
    ModelNotFoundError,
    RateLimitedError,
    ServerError,
    TimedOutError,
)


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self):
        self.now = 100.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def wait(poll, seconds):
    clock = Clock()
    told = []
    verdicts = poll_until_ok(poll, seconds, told.append, clock=clock, sleep=clock.sleep)
    return verdicts, clock, told


def missing(_left=0.0):
    return [ModelCheck("m", available=False, error=ModelNotFoundError("no m"))]


def failing(failure):
    return [ModelCheck("m", available=None, error=failure)]


def test_the_pauses_double_from_half_a_second_to_ten():
    _, clock, _ = wait(missing, 60)
    assert clock.slept[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("seconds", [0.4, 1, 3, 59, 300])
def test_the_last_poll_is_near_the_end_and_has_time(seconds):
    lefts = []

    def poll(left):
        lefts.append(left)
        return missing()

    _, clock, _ = wait(poll, seconds)
    assert clock.now - 100 <= seconds
    assert lefts[0] == seconds
    assert lefts[-1] == pytest.approx(min(1.0, seconds / 4))


def test_no_wait_is_one_poll():
    _, clock, told = wait(missing, 0)
    assert (clock.slept, told) == ([], [])


def test_what_is_waited_for_is_told():
    _, _, told = wait(missing, 1)
    assert set(told) == {"waiting: no m"}


def test_the_wait_that_a_server_asks_for_is_kept():
    verdicts = [
        failing(RateLimitedError("busy", retry_after=7.0)),
        [ModelCheck("m", available=True)],
    ]
    _, clock, _ = wait(lambda _: verdicts.pop(0), 60)
    assert clock.slept == [7.0]


@pytest.mark.parametrize("failure", [AuthError("no"), ConfigError("no key")])
def test_what_no_wait_mends_ends_it(failure):
    verdicts, clock, _ = wait(lambda _: failing(failure), 60)
    assert clock.slept == []
    assert combined_error(verdicts) is failure


def test_one_hopeless_model_ends_the_wait_for_all():
    both = [*missing(), *failing(AuthError("no"))]
    _, clock, _ = wait(lambda _: both, 60)
    assert clock.slept == []


def test_a_poll_that_the_end_cut_says_nothing():
    polls = iter([missing(), failing(TimedOutError("late"))])
    clock = Clock()

    def poll(left):
        verdicts = next(polls)
        if verdicts[0].available is None:
            clock.now += left
        return verdicts

    verdicts = poll_until_ok(poll, 2, lambda _: None, clock=clock, sleep=clock.sleep)
    assert isinstance(combined_error(verdicts), ModelNotFoundError)


def test_a_poll_that_its_own_limit_cut_does():
    verdicts, *_ = wait(lambda _: failing(TimedOutError("slow server")), 2)
    assert isinstance(combined_error(verdicts), TimedOutError)


def test_a_failure_that_all_share_is_told_as_it_is():
    failure = ServerError("down")
    verdicts = check_listed(["a", "b"], lambda: (_ for _ in ()).throw(failure))
    assert combined_error(verdicts) is failure


def test_a_bug_in_a_probe_is_no_verdict():
    def probe(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        probe_models([ModelCheck("m", available=True)], probe, jobs=2)


def test_only_what_is_there_is_probed():
    asked = []
    probe_models([*missing(), ModelCheck("there", available=True)], asked.append, jobs=4)
    assert asked == ["there"]
