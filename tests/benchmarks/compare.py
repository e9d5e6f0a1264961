"""Compare the cost of contextops with that of other programs, in turn, in one run.

    python tests/benchmarks/compare.py [--runs N] [--only SCENARIO ...]

Each program has its own virtual environment, a new home folder for every run, and sends requests
to a server on the loopback address. The programs run in turn, so that other work of the machine
affects all of them; only ratios are compared. A full run writes RESULTS.md and chart.svg beside
this file; a run with --only prints the results. The budgets are printed at the end; the exit
status is 1 if one is not met.
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

from benchmarks import budgets, report  # noqa: E402 - needs the path above
from benchmarks.figures import Cost, Figures  # noqa: E402 - same
from benchmarks.programs import PROGRAMS, Contextops, Place, Program  # noqa: E402 - same
from benchmarks.scenarios import GROWING, GROWTH, SCENARIOS, SHORT, Scenario  # noqa: E402 - same

ENVIRONMENTS = HERE.parents[1] / "build" / "benchmarks"
LIMIT = 600.0
"""Seconds after which a program is killed."""
ROUNDS_OF_GROWTH = 3


class ProgramError(Exception):
    """A program did not do its task."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run the server in a separate process and yield its URL."""
    command = [sys.executable, str(HERE / "loopback.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        if server.stdin and server.stdout:
            with server.stdin:
                yield server.stdout.readline().strip()


class Bench:
    """The work folder and the server of the measurements."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder
        self._server = server

    def build(self, scenario: Scenario) -> None:
        """Let the server build its answer, so that no measurement includes this."""
        if scenario.posts:
            url = f"{self._server}/{scenario.answer}/v1/chat/completions"
            with urllib.request.urlopen(url, data=b"{}") as answer:  # noqa: S310 - loopback
                while answer.read(1 << 20):
                    pass

    def prepare(self, program: Program, scenario: Scenario) -> Path | None:
        """Return the home folder of a program in a scenario, None if it has no such function.

        The program has run in it before, since a first start creates files.
        """
        home = self._folder / "prepared" / program.name / scenario.title
        previous = Place(home, f"{self._server}/{SHORT}", prompt="Hello.")
        if scenario.argv(program, previous) is None:
            return None
        home.mkdir(parents=True)
        program.configure(previous)
        first = program.ask(previous)
        if first is not None:
            self._measure(program, previous, first, 0)
        program.configure(self._place(home, scenario))
        if scenario.turns:
            program.make_session(previous, scenario.turns - 1)
        return home

    def run(self, program: Program, scenario: Scenario, prepared: Path) -> Cost:
        """Run the program in a copy of its home folder, check its output, and return the cost."""
        home = self._folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(prepared, home)
        self._bytes_sent()
        place = self._place(home, scenario)
        argv = scenario.argv(program, place) or []
        cost = self._measure(program, place, argv, scenario.stdin_bytes)
        if scenario.expected_output not in (self._folder / "stdout").read_text():
            raise ProgramError(
                f"did not print {scenario.expected_output!r}: {_last_line(self._folder)}"
            )
        bytes_sent = self._bytes_sent()
        if scenario.posts and bytes_sent < 0:
            raise ProgramError("did not send a request")
        return cost._replace(sent=bytes_sent)

    def _place(self, home: Path, scenario: Scenario) -> Place:
        return Place(home, f"{self._server}/{scenario.answer}")

    def _measure(
        self, program: Program, place: Place, argv: Sequence[str], stdin_bytes: int
    ) -> Cost:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(place.home),
            "LANG": "C.UTF-8",
            **program.environment(place),
        }
        with stdin_of(self._folder / "input", stdin_bytes) as source:
            return measure(argv, variables, source, self._folder)

    def _bytes_sent(self) -> int:
        with urllib.request.urlopen(f"{self._server}/sent") as answer:  # noqa: S310 - loopback
            return int(answer.read())


@contextlib.contextmanager
def stdin_of(file: Path, size: int) -> Iterator[int]:
    """Yield a descriptor for standard input: a pipe with ``size`` bytes, or an empty one."""
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
    """Run a command through measure.py; raise ``ProgramError`` if it fails or is too slow."""
    report_file = folder / "cost"
    helper = [sys.executable, "-I", "-S", str(HERE / "measure.py"), str(report_file), *argv]
    with (
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
        subprocess.Popen(
            helper,
            env=dict(variables),
            stdin=source,
            stdout=out,
            stderr=err,
            # A process group of its own, so that its children are killed too.
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
    status, cpu, wall, peak = report_file.read_text().split()
    if status != "0":
        raise ProgramError(f"ended with status {status}: {_last_line(folder)}")
    return Cost(float(cpu), float(wall), int(peak))


def _last_line(folder: Path) -> str:
    lines = (folder / "stderr").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "no output"


def compare(
    bench: Bench, scenario: Scenario, programs: Sequence[Program], runs: int, absent: list[str]
) -> dict[str, list[Cost]]:
    """Measure a scenario, the programs in turn; leave out programs that fail, with the reason."""
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
            except (ProgramError, OSError, subprocess.SubprocessError) as error:
                absent.append(f"{program.name}, {scenario.title}: {error}")
                costs.pop(program.name, None)
                homes[program] = None
    return costs


def installed_programs(absent: list[str]) -> list[Program]:
    """Install the programs and return them; leave out those that fail, with the reason."""
    programs = []
    for kind in PROGRAMS:
        program = kind(ENVIRONMENTS)
        try:
            program.install()
            program.version()
        except (OSError, subprocess.SubprocessError) as error:
            absent.append(f"{program.name} is not installed: {error}")
        else:
            programs.append(program)
    return programs


def measure_growth(
    bench: Bench, title: str, programs: Sequence[Program], figures: Figures, runs: int
) -> None:
    """Measure how the cost grows with size."""
    growth = GROWTH[title]
    growing = [program for program in programs if program.name in GROWING]
    costs_by_program: dict[str, dict[int, list[Cost]]] = {}
    for size in growth.sizes:
        scenario = growth.scenario_of(f"{size} {growth.title}", size)
        for name, costs in compare(bench, scenario, growing, runs, figures.absent).items():
            costs_by_program.setdefault(name, {})[size] = costs
    figures.growth[growth.title] = costs_by_program


def main() -> int:
    """Measure, write the report, and check the budgets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    names = [*SCENARIOS, *(f"growth {title}" for title in GROWTH)]
    parser.add_argument("--only", action="append", choices=names, default=[])
    options = parser.parse_args()
    figures = Figures()
    programs = installed_programs(figures.absent)
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        bench = Bench(Path(folder), server)
        for name in options.only or names:
            print(f"{name} …", file=sys.stderr)
            title = name.removeprefix("growth ")
            if title != name:
                measure_growth(bench, title, programs, figures, min(options.runs, ROUNDS_OF_GROWTH))
            else:
                costs = compare(bench, SCENARIOS[name], programs, options.runs, figures.absent)
                figures.rounds[name] = costs
    text = report.document(figures, [program.version() for program in programs], options.runs)
    if options.only:
        print(text)
    else:
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
        (HERE / "chart.svg").write_text(report.chart(figures), encoding="utf-8")
    results = budgets.judge(figures)
    print(*results, sep="\n")
    for line in figures.absent:
        print(line, file=sys.stderr)
    failed = any(line.startswith(Contextops.name) for line in figures.absent)
    return 1 if failed or not all(budget.is_met for budget in results) else 0


if __name__ == "__main__":
    sys.exit(main())
