"""Checks of models, and polling with a fake clock."""

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
    """A clock that advances only during sleep."""

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
    messages = []
    checks = poll_until_ok(poll, seconds, messages.append, clock=clock, sleep=clock.sleep)
    return checks, clock, messages


def missing(_time_left=0.0):
    return [ModelCheck("m", available=False, error=ModelNotFoundError("no m"))]


def failing(error):
    return [ModelCheck("m", available=None, error=error)]


def test_pauses_double_from_half_a_second_to_ten():
    _, clock, _ = wait(missing, 60)
    assert clock.slept[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("seconds", [0.4, 1, 3, 59, 300])
def test_last_poll_is_near_the_end_and_has_time(seconds):
    lefts = []

    def poll(left):
        lefts.append(left)
        return missing()

    _, clock, _ = wait(poll, seconds)
    assert clock.now - 100 <= seconds
    assert lefts[0] == seconds
    assert lefts[-1] == pytest.approx(min(1.0, seconds / 4))


def test_without_wait_there_is_one_poll():
    _, clock, messages = wait(missing, 0)
    assert (clock.slept, messages) == ([], [])


def test_progress_names_what_is_waited_for():
    _, _, messages = wait(missing, 1)
    assert set(messages) == {"waiting: no m"}


def test_retry_after_of_server_is_respected():
    checks = [
        failing(RateLimitedError("busy", retry_after=7.0)),
        [ModelCheck("m", available=True)],
    ]
    _, clock, _ = wait(lambda _: checks.pop(0), 60)
    assert clock.slept == [7.0]


@pytest.mark.parametrize("error", [AuthError("no"), ConfigError("no key")])
def test_final_error_ends_wait_at_once(error):
    checks, clock, _ = wait(lambda _: failing(error), 60)
    assert clock.slept == []
    assert combined_error(checks) is error


def test_final_error_of_one_model_ends_wait_for_all():
    both = [*missing(), *failing(AuthError("no"))]
    _, clock, _ = wait(lambda _: both, 60)
    assert clock.slept == []


def test_poll_cut_short_by_end_of_wait_is_ignored():
    polls = iter([missing(), failing(TimedOutError("late"))])
    clock = Clock()

    def poll(left):
        checks = next(polls)
        if checks[0].available is None:
            clock.now += left
        return checks

    checks = poll_until_ok(poll, 2, lambda _: None, clock=clock, sleep=clock.sleep)
    assert isinstance(combined_error(checks), ModelNotFoundError)


def test_poll_that_hit_its_own_limit_counts():
    checks, *_ = wait(lambda _: failing(TimedOutError("slow server")), 2)
    assert isinstance(combined_error(checks), TimedOutError)


def test_error_shared_by_all_models_is_unchanged():
    error = ServerError("down")
    checks = check_listed(["a", "b"], lambda: (_ for _ in ()).throw(error))
    assert combined_error(checks) is error


def test_unexpected_exception_of_probe_is_raised():
    def probe(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        probe_models([ModelCheck("m", available=True)], probe, jobs=2)


def test_only_available_models_are_probed():
    probed = []
    probe_models([*missing(), ModelCheck("there", available=True)], probed.append, jobs=4)
    assert probed == ["there"]
