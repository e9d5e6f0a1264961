"""The benchmark's own parts: what it makes of figures, what it holds, and what it shows of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import budgets, figures, loopback, report
from benchmarks.figures import Cost, Figures

HERE = Path(__file__).parent / "benchmarks"
CHEAP = dict.fromkeys(budgets.CHEAP, (0.11, 0.1))


def cost(cpu, *, peak=30_000_000, sent=-1):
    return Cost(cpu, cpu * 2, peak, sent)


def rounds(**cpu):
    return {name: [cost(seconds)] * 3 for name, seconds in cpu.items()}


def measured(*, ours=0.15, tokens=2.0, peak=30_000_000):
    found = Figures()
    found.rounds["cold"] = rounds(contextops=ours, script=0.15, llm=0.9, curl=0.008)
    found.rounds["tokens"] = rounds(script=2.4)
    found.rounds["tokens"]["contextops"] = [cost(tokens, peak=peak)]
    for name, (mine, least) in CHEAP.items():
        found.rounds[name] = {"contextops": [cost(mine)], "import typer": [cost(least)]}
    return found


def grown(*cpu):
    sizes = (10, 100, 1_000, 10_000)
    return {size: [cost(seconds)] for size, seconds in zip(sizes, cpu, strict=True)}


def not_held(found):
    return [budget.promise for budget in budgets.judge(found) if not budget.held]


def test_the_budgets_hold_of_what_is_quick_enough():
    assert not_held(measured()) == []
    assert len(budgets.judge(measured())) == 4 + len(CHEAP)


@pytest.mark.parametrize(
    ("slow", "names"),
    [
        ({"ours": 0.19}, ["beside the script's", "llm's CPU"]),
        ({"tokens": 2.5}, ["100,000 tokens: CPU"]),
        ({"peak": 40_000_000}, ["memory: 100,000 tokens"]),
    ],
    ids=str,
)
def test_a_budget_that_is_exceeded_is_named(slow, names):
    told = not_held(measured(**slow))
    assert len(told) == len(names)
    assert all(name in promise for name, promise in zip(names, told, strict=True))


@pytest.mark.parametrize(
    ("cpu", "exponent"),
    [
        ((0.15, 0.15, 0.16, 0.17), None),
        ((0.15, 0.16, 0.25, 1.15), 1.0),
        ((0.15, 0.16, 1.15, 100.15), 2.0),
    ],
)
def test_growth_is_that_of_the_last_step_beyond_the_start(cpu, exponent):
    assert figures.exponent(grown(*cpu), "cpu") == pytest.approx(exponent, abs=0.01)


def test_growth_beyond_linear_is_named():
    found = Figures(growth={"turns": {"contextops": grown(0.15, 0.16, 1.15, 100.15)}})
    assert not_held(found) == ["growth with turns: exponent of time"]


def test_a_ratio_is_the_median_of_each_rounds_ratio():
    found = Figures()
    found.rounds["cold"] = {
        "contextops": [cost(1), cost(2), cost(9)],
        "script": [cost(1), cost(1), cost(3)],
    }
    assert found.ratio("cold", "contextops", "script") == 2
    assert found.ratio("cold", "contextops", "llm") is None


def test_the_results_show_every_figure_and_who_is_left_out():
    found = measured(ours=0.19)
    found.growth["turns"] = {"contextops": grown(0.15, 0.16, 0.25, 1.15)}
    found.absent.append("shell-gpt is not installed: no network")
    text = report.document(found, ["curl 8"], runs=3)
    assert "| one short answer | 0.190 | 0.008 | 0.150 | 0.900 | \N{EN DASH} |" in text
    assert "| one short answer: CPU beside the script's | ≤ 1.2 | 1.267 | NOT HELD |" in text
    assert "| contextops: CPU, seconds | 0.150 | 0.160 | 0.250 | 1.15 | 1.00 |" in text
    assert "- shell-gpt is not installed: no network" in text


def test_the_chart_is_svg_with_bars_in_proportion():
    root = ET.fromstring(report.chart(measured()))
    widths = [float(bar.get("width", 0)) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(widths) == 6
    # curl, script and contextops, llm: from the least to the most.
    assert widths[:4] == pytest.approx([5.0, 93.3, 93.3, 560.0], abs=0.1)
    title = root.findtext("{http://www.w3.org/2000/svg}title")
    assert "CPU of one short answer: curl 8 ms" in title


@pytest.mark.skipif(sys.platform == "win32", reason="it measures with wait4")
def test_a_command_is_measured_with_what_it_starts(tmp_path):
    told = tmp_path / "told"
    work = """
import subprocess, sys
block = b"x" * 50_000_000
subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
sys.exit(3)
"""
    helper = [sys.executable, "-I", "-S", HERE / "measure.py", told]
    argv = [*helper, sys.executable, "-c", work]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    status, cpu, wall, peak = told.read_text().split()
    assert status == "3"
    assert 0 < float(cpu) < 60
    assert float(wall) > 0
    assert 50_000_000 < int(peak) < 100_000_000


def test_the_server_answers_by_the_path(run, serve):
    server = serve(loopback.Answers())
    told = run(
        "chat", "send", "-n", "-m", "ctx-small", "hi", "--base-url", f"{server.url}/tokens-3"
    )
    assert told.stdout == "word word the-end\n"
    told = run("models", "list", "--base-url", f"{server.url}/models-3")
    assert told.stdout.split() == ["provider-0/model-0", "provider-1/model-1", "the-end"]
