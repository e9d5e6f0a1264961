"""The tasks of every program, and the dimensions whose growth is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.loopback import LAST_WORD
from benchmarks.programs import Argv, Place, Program

SHORT = "tokens-3"
MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One task.

    ``expected_output`` must be in standard output. ``stdin_bytes`` is the size of standard input,
    ``turns`` the number of turns that the conversation has after this one.
    """

    title: str
    argv: Callable[[Program, Place], Argv]
    answer: str = SHORT
    expected_output: str = LAST_WORD
    stdin_bytes: int = 0
    turns: int = 0

    @property
    def posts(self) -> bool:
        """Whether the program must send a chat request."""
        return self.answer.startswith(("tokens", "text"))


def ask(title: str, answer: str) -> Scenario:
    """Return the scenario of one answer."""
    return Scenario(title=title, answer=answer, argv=lambda program, place: program.ask(place))


def pipe(title: str, size: int) -> Scenario:
    """Return the scenario of a prompt of ``size`` bytes on standard input."""
    return Scenario(
        title=title, stdin_bytes=size, argv=lambda program, place: program.ask_piped(place)
    )


def models(title: str, number: int) -> Scenario:
    """Return the scenario of a list of ``number`` models."""
    return Scenario(
        title=title,
        answer=f"models-{number}",
        argv=lambda program, place: program.list_models(place),
    )


def session_turn(title: str, number: int) -> Scenario:
    """Return the scenario of the last turn in a conversation of ``number`` turns."""
    return Scenario(
        title=title, turns=number, argv=lambda program, place: program.continue_session(place)
    )


def local(title: str, argv: Callable[[Program, Place], Argv], expected_output: str) -> Scenario:
    """Return a scenario that needs no server."""
    return Scenario(title=title, argv=argv, answer="", expected_output=expected_output)


SCENARIOS: dict[str, Scenario] = {
    "cold": ask("one short answer", SHORT),
    "tokens": ask("100,000 tokens", "tokens-100000"),
    "answer": ask("an answer of 10 MB", f"text-{10 * MEGA}"),
    "prompt": pipe("10 MB piped in", 10 * MEGA),
    "models": models("10,000 models listed", 10_000),
    "turn 10": session_turn("the 10th turn of a session", 10),
    "turn 1000": session_turn("the 1,000th turn", 1_000),
    "help": local("`--help`", lambda program, place: program.help(place), "sage"),
    "version": local("`--version`", lambda program, place: program.print_version(place), "."),
    "tab": local(
        "TAB after `--`, in a new bash", lambda program, place: program.complete(place), "--"
    ),
    "config path": local("`config path`", lambda program, place: program.config_path(place), ""),
    "completion": local("`completion bash`", lambda program, place: program.completion(place), ""),
}


@dataclass(frozen=True)
class Growth:
    """A dimension: its sizes, and a function that returns the scenario of one size."""

    title: str
    sizes: tuple[int, ...]
    scenario_of: Callable[[str, int], Scenario]


GROWTH: dict[str, Growth] = {
    "tokens": Growth(
        "tokens", (1_000, 10_000, 100_000, 300_000), lambda title, n: ask(title, f"tokens-{n}")
    ),
    "answer": Growth(
        "bytes of answer",
        (MEGA // 10, MEGA, 10 * MEGA, 50 * MEGA),
        lambda title, n: ask(title, f"text-{n}"),
    ),
    "prompt": Growth(
        "bytes of prompt", (MEGA // 100, MEGA // 10, MEGA, 10 * MEGA, 30 * MEGA), pipe
    ),
    "models": Growth("models", (100, 1_000, 10_000, 50_000), models),
    "turns": Growth("turns", (10, 100, 1_000, 10_000), session_turn),
}
GROWING = ("contextops", "script")
"""The programs whose growth is measured."""
