"""The parts of the benchmark: ratios and growth, budgets, results page and chart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import budgets, figures, loopback, report
from benchmarks.figures import Cost, Figures

HERE = Path(__file__).parent / "benchmarks"
CHEAP_COMMANDS = dict.fromkeys(budgets.CHEAP, (0.11, 0.1))


def cost(cpu, *, peak=30_000_000, sent=-1):
    return Cost(cpu, cpu * 2, peak, sent)


def rounds(**cpu):
    return {name: [cost(seconds)] * 3 for name, seconds in cpu.items()}


def measured_figures(*, ours=0.15, tokens=2.0, peak=30_000_000):
    measurements = Figures()
    measurements.rounds["cold"] = rounds(contextops=ours, script=0.15, llm=0.9, curl=0.008)
    measurements.rounds["tokens"] = rounds(script=2.4)
    measurements.rounds["tokens"]["contextops"] = [cost(tokens, peak=peak)]
    for name, (own, lower_bound) in CHEAP_COMMANDS.items():
        measurements.rounds[name] = {"contextops": [cost(own)], "import typer": [cost(lower_bound)]}
    return measurements


def growth_of(*cpu):
    sizes = (10, 100, 1_000, 10_000)
    return {size: [cost(seconds)] for size, seconds in zip(sizes, cpu, strict=True)}


def exceeded(measurements):
    return [budget.title for budget in budgets.judge(measurements) if not budget.is_met]


def test_budgets_hold_for_figures_within_budget():
    assert exceeded(measured_figures()) == []
    assert len(budgets.judge(measured_figures())) == 4 + len(CHEAP_COMMANDS)


@pytest.mark.parametrize(
    ("slow", "names"),
    [
        ({"ours": 0.19}, ["CPU relative to the script", "CPU of llm"]),
        ({"tokens": 2.5}, ["100,000 tokens: CPU"]),
        ({"peak": 40_000_000}, ["memory: 100,000 tokens"]),
    ],
    ids=str,
)
def test_exceeded_budget_is_named(slow, names):
    titles = exceeded(measured_figures(**slow))
    assert len(titles) == len(names)
    assert all(name in title for name, title in zip(names, titles, strict=True))


@pytest.mark.parametrize(
    ("cpu", "exponent"),
    [
        ((0.15, 0.15, 0.16, 0.17), None),
        ((0.15, 0.16, 0.25, 1.15), 1.0),
        ((0.15, 0.16, 1.15, 100.15), 2.0),
    ],
)
def test_growth_exponent_is_that_of_the_last_step_beyond_the_start(cpu, exponent):
    assert figures.exponent(growth_of(*cpu), "cpu") == pytest.approx(exponent, abs=0.01)


def test_growth_beyond_linear_is_named():
    measurements = Figures(growth={"turns": {"contextops": growth_of(0.15, 0.16, 1.15, 100.15)}})
    assert exceeded(measurements) == ["growth with turns: exponent of time"]


def test_ratio_is_the_median_of_the_ratios_of_all_rounds():
    measurements = Figures()
    measurements.rounds["cold"] = {
        "contextops": [cost(1), cost(2), cost(9)],
        "script": [cost(1), cost(1), cost(3)],
    }
    assert measurements.ratio("cold", "contextops", "script") == 2
    assert measurements.ratio("cold", "contextops", "llm") is None


def test_results_page_shows_figures_and_missing_programs():
    measurements = measured_figures(ours=0.19)
    measurements.growth["turns"] = {"contextops": growth_of(0.15, 0.16, 0.25, 1.15)}
    measurements.absent.append("shell-gpt is not installed: no network")
    text = report.document(measurements, ["curl 8"], runs=3)
    assert "| one short answer | 0.190 | 0.008 | 0.150 | 0.900 | \N{EN DASH} |" in text
    assert "| one short answer: CPU relative to the script | ≤ 1.2 | 1.267 | NOT MET |" in text
    assert "| contextops: CPU, seconds | 0.150 | 0.160 | 0.250 | 1.15 | 1.00 |" in text
    assert "- shell-gpt is not installed: no network" in text


def test_chart_is_svg_with_proportional_bars():
    root = ET.fromstring(report.chart(measured_figures()))
    widths = [float(bar.get("width", 0)) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(widths) == 6
    # curl, script and contextops, llm: in increasing order.
    assert widths[:4] == pytest.approx([5.0, 93.3, 93.3, 560.0], abs=0.1)
    title = root.findtext("{http://www.w3.org/2000/svg}title")
    assert "CPU of one short answer: curl 8 ms" in title


@pytest.mark.skipif(sys.platform == "win32", reason="needs wait4")
def test_measurement_includes_child_processes(tmp_path):
    report_path = tmp_path / "report"
    work = """
import subprocess, sys
block = b"x" * 50_000_000
subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
sys.exit(3)
"""
    helper = [sys.executable, "-I", "-S", HERE / "measure.py", report_path]
    argv = [*helper, sys.executable, "-c", work]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    status, cpu, wall, peak = report_path.read_text().split()
    assert status == "3"
    assert 0 < float(cpu) < 60
    assert float(wall) > 0
    assert 50_000_000 < int(peak) < 100_000_000


def test_benchmark_server_answers_by_path(run, serve):
    server = serve(loopback.Answers())
    result = run(
        "chat", "send", "-n", "-m", "ctx-small", "hi", "--base-url", f"{server.url}/tokens-3"
    )
    assert result.stdout == "word word the-end\n"
    result = run("models", "list", "--base-url", f"{server.url}/models-3")
    assert result.stdout.split() == ["provider-0/model-0", "provider-1/model-1", "the-end"]
