"""Compare the cost of contextops with that of other programs, in turn, in one run.

    python tests/benchmarks/compare.py [--runs N] [--only SCENARIO ...]

Each program is in a virtual environment of its own, has a new home for every run, and asks a server
on the loopback. The programs take turns, so that what else the machine does falls on all of them;
what counts are ratios. The whole writes RESULTS.md and chart.svg beside this file; with --only it
prints. It ends with the budgets, and status 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import budgets, report  # noqa: E402 - found by the line above
from benchmarks.figures import Cost, Figures  # noqa: E402 - same
from benchmarks.programs import PROGRAMS, Contextops, Place, Program  # noqa: E402 - same
from benchmarks.scenarios import GROWING, GROWTH, SCENARIOS, SHORT, Scenario  # noqa: E402 - same

ENVIRONMENTS = HERE.parents[1] / "build" / "benchmarks"
LIMIT = 600.0
"""Seconds after which a program is given up."""
ROUNDS_OF_GROWTH = 3


class ProgramError(Exception):
    """A program did not do what it was asked for."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run the server and give its address."""
    command = [sys.executable, str(HERE / "loopback.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        if server.stdin and server.stdout:
            with server.stdin:
                yield server.stdout.readline().strip()


class Bench:
    """Where programs are measured: a folder to work in, and the server."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder
        self._server = server

    def build(self, scenario: Scenario) -> None:
        """Have the server make its answer, so that nobody waits for it."""
        if scenario.posts:
            url = f"{self._server}/{scenario.answer}/v1/chat/completions"
            with urllib.request.urlopen(url, data=b"{}") as answer:  # noqa: S310 - it is ours
                while answer.read(1 << 20):
                    pass

    def prepare(self, program: Program, scenario: Scenario) -> Path | None:
        """Make the home that a program has in a scenario; None where it cannot do that.

        It is the home of somebody who has used it before: a first start makes files.
        """
        home = self._folder / "prepared" / program.name / scenario.title
        before = Place(home, f"{self._server}/{SHORT}", prompt="Hello.")
        if scenario.argv(program, before) is None:
            return None
        home.mkdir(parents=True)
        program.settle(before)
        first = program.ask(before)
        if first is not None:
            self._measure(program, before, first, 0)
        program.settle(self._place(home, scenario))
        if scenario.turns:
            program.remember(before, scenario.turns - 1)
        return home

    def run(self, program: Program, scenario: Scenario, prepared: Path) -> Cost:
        """Run it once, in a copy of its home, and see that it did what it was asked for."""
        home = self._folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(prepared, home)
        self._sent()
        place = self._place(home, scenario)
        argv = scenario.argv(program, place) or []
        cost = self._measure(program, place, argv, scenario.piped)
        if scenario.proof not in (self._folder / "stdout").read_text():
            raise ProgramError(f"did not print {scenario.proof!r}: {_last_line(self._folder)}")
        sent = self._sent()
        if scenario.posts and sent < 0:
            raise ProgramError("did not ask the server")
        return cost._replace(sent=sent)

    def _place(self, home: Path, scenario: Scenario) -> Place:
        return Place(home, f"{self._server}/{scenario.answer}")

    def _measure(self, program: Program, place: Place, argv: Sequence[str], piped: int) -> Cost:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(place.home),
            "LANG": "C.UTF-8",
            **program.environment(place),
        }
        with feeding(self._folder / "input", piped) as source:
            return measure(argv, variables, source, self._folder)

    def _sent(self) -> int:
        with urllib.request.urlopen(f"{self._server}/sent") as answer:  # noqa: S310 - it is ours
            return int(answer.read())


@contextlib.contextmanager
def feeding(file: Path, size: int) -> Iterator[int]:
    """Give a standard input that brings so many bytes through a pipe, or has nothing."""
    if not size:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing.fileno()
        return
    line = 'a line of the file, with some äöü and a "quoted" word in it\n'.encode()
    file.write_bytes(line * (size // len(line)))
    reading, writing = os.pipe()
    with subprocess.Popen(["cat", str(file)], stdout=writing):
        os.close(writing)
        try:
            yield reading
        finally:
            os.close(reading)


def measure(argv: Sequence[str], variables: Mapping[str, str], source: int, folder: Path) -> Cost:
    """Run a command through measure.py; raises ``ProgramError`` where it fails or is too slow."""
    told = folder / "cost"
    helper = [sys.executable, "-I", "-S", str(HERE / "measure.py"), str(told), *argv]
    with (
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
        subprocess.Popen(
            helper,
            env=dict(variables),
            stdin=source,
            stdout=out,
            stderr=err,
            # A group of its own, to end it with all that it started.
            start_new_session=True,
        ) as running,
    ):
        try:
            running.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise ProgramError(f"took more than {LIMIT:g} s") from None
        finally:
            if running.returncode is None:
                os.killpg(running.pid, signal.SIGKILL)
    status, cpu, wall, peak = told.read_text().split()
    if status != "0":
        raise ProgramError(f"ended with status {status}: {_last_line(folder)}")
    return Cost(float(cpu), float(wall), int(peak))


def _last_line(folder: Path) -> str:
    lines = (folder / "stderr").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "without a word"


def compare(
    bench: Bench, scenario: Scenario, programs: Sequence[Program], runs: int, absent: list[str]
) -> dict[str, list[Cost]]:
    """Measure a scenario, the programs in turn; one that fails is left out, and it is said why."""
    bench.build(scenario)
    costs: dict[str, list[Cost]] = {}
    homes: dict[Program, Path | None] = {}
    for turn in range(runs):
        for program in programs:
            try:
                if turn == 0:
                    homes[program] = bench.prepare(program, scenario)
                home = homes[program]
                if home is not None:
                    costs.setdefault(program.name, []).append(bench.run(program, scenario, home))
            except (ProgramError, OSError, subprocess.SubprocessError) as failure:
                absent.append(f"{program.name}, {scenario.title}: {failure}")
                costs.pop(program.name, None)
                homes[program] = None
    return costs


def ready(absent: list[str]) -> list[Program]:
    """Install every program; one that cannot be is left out, and it is said why."""
    programs = []
    for kind in PROGRAMS:
        program = kind(ENVIRONMENTS)
        try:
            program.install()
            program.version()
        except (OSError, subprocess.SubprocessError) as failure:
            absent.append(f"{program.name} is not installed: {failure}")
        else:
            programs.append(program)
    return programs


def grow(bench: Bench, what: str, programs: Sequence[Program], figures: Figures, runs: int) -> None:
    """Measure what grows, size by size."""
    growth = GROWTH[what]
    growing = [program for program in programs if program.name in GROWING]
    found: dict[str, dict[int, list[Cost]]] = {}
    for size in growth.sizes:
        scenario = growth.of(f"{size} {growth.title}", size)
        for name, costs in compare(bench, scenario, growing, runs, figures.absent).items():
            found.setdefault(name, {})[size] = costs
    figures.growth[growth.title] = found


def main() -> int:
    """Measure, report, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    names = [*SCENARIOS, *(f"growth {what}" for what in GROWTH)]
    parser.add_argument("--only", action="append", choices=names, default=[])
    given = parser.parse_args()
    figures = Figures()
    programs = ready(figures.absent)
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        bench = Bench(Path(folder), server)
        for name in given.only or names:
            print(f"{name} …", file=sys.stderr)
            what = name.removeprefix("growth ")
            if what != name:
                grow(bench, what, programs, figures, min(given.runs, ROUNDS_OF_GROWTH))
            else:
                costs = compare(bench, SCENARIOS[name], programs, given.runs, figures.absent)
                figures.rounds[name] = costs
    text = report.document(figures, [program.version() for program in programs], given.runs)
    if given.only:
        print(text)
    else:
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
        (HERE / "chart.svg").write_text(report.chart(figures), encoding="utf-8")
    judged = budgets.judge(figures)
    print(*judged, sep="\n")
    for line in figures.absent:
        print(line, file=sys.stderr)
    failed = any(line.startswith(Contextops.name) for line in figures.absent)
    return 1 if failed or not all(budget.held for budget in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
