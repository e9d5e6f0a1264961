"""What every program is asked to do, and what is made larger to see how the cost grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.loopback import LAST_WORD
from benchmarks.programs import Argv, Place, Program

SHORT = "tokens-3"
MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One thing to do.

    ``proof`` is what must be on standard output at the end. ``piped`` is how many bytes come in,
    ``turns`` how many turns a conversation has with this one.
    """

    title: str
    argv: Callable[[Program, Place], Argv]
    answer: str = SHORT
    proof: str = LAST_WORD
    piped: int = 0
    turns: int = 0

    @property
    def posts(self) -> bool:
        """Tell whether the server must be asked for an answer."""
        return self.answer.startswith(("tokens", "text"))


def ask(title: str, answer: str) -> Scenario:
    """Ask for one answer."""
    return Scenario(title=title, answer=answer, argv=lambda program, place: program.ask(place))


def pipe(title: str, size: int) -> Scenario:
    """Ask with so many bytes on standard input."""
    return Scenario(title=title, piped=size, argv=lambda program, place: program.ask_piped(place))


def models(title: str, number: int) -> Scenario:
    """List so many models."""
    return Scenario(
        title=title,
        answer=f"models-{number}",
        argv=lambda program, place: program.list_models(place),
    )


def turn(title: str, number: int) -> Scenario:
    """Go on with a conversation, which has so many turns then."""
    return Scenario(title=title, turns=number, argv=lambda program, place: program.go_on(place))


def local(title: str, argv: Callable[[Program, Place], Argv], proof: str) -> Scenario:
    """Do something without the server."""
    return Scenario(title=title, argv=argv, answer="", proof=proof)


SCENARIOS: dict[str, Scenario] = {
    "cold": ask("one short answer", SHORT),
    "tokens": ask("100,000 tokens", "tokens-100000"),
    "answer": ask("an answer of 10 MB", f"text-{10 * MEGA}"),
    "prompt": pipe("10 MB piped in", 10 * MEGA),
    "models": models("10,000 models listed", 10_000),
    "turn 10": turn("the 10th turn of a session", 10),
    "turn 1000": turn("the 1,000th turn", 1_000),
    "help": local("`--help`", lambda program, place: program.help(place), "sage"),
    "version": local("`--version`", lambda program, place: program.print_version(place), "."),
    "tab": local(
        "TAB behind `--`, in a new bash", lambda program, place: program.complete(place), "--"
    ),
    "config path": local("`config path`", lambda program, place: program.config_path(place), ""),
    "completion": local("`completion bash`", lambda program, place: program.completion(place), ""),
}


@dataclass(frozen=True)
class Growth:
    """A thing that grows: the sizes, and the scenario of one size."""

    title: str
    sizes: tuple[int, ...]
    of: Callable[[str, int], Scenario]


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
    "turns": Growth("turns", (10, 100, 1_000, 10_000), turn),
}
GROWING = ("contextops", "script")
"""The programs whose growth is measured: ours, and the one to compare it with."""
