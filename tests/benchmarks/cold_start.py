"""Compare the CPU of a cold ``chat send`` with that of a twelve-line httpx script.

    python tests/benchmarks/cold_start.py [RUNS]

Both run in a virtual environment of their own, as users have them: packages of a development
environment (click) make httpx load more than it needs. They alternate against one loopback server;
the figures are user and system time of the whole process, and their ratio is what counts. The
script is what one writes; ``lean`` is the same with ``verify=False``, which spares it the store of
certificates that a plain http URL cannot need (and that contextops does not load for one).
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from server import Request, Server  # noqa: E402 - the tests' server, found by the line above
from shapes import OpenWebUI  # noqa: E402 - same

SCRIPT = """\
import json, sys, httpx
url, prompt = sys.argv[1:]
body = {"model": "ctx-small", "messages": [{"role": "user", "content": prompt}], "stream": True}
headers = {"Authorization": "Bearer sk-test"}
with httpx.Client(timeout=None) as client:
    url += "/api/chat/completions"
    with client.stream("POST", url, json=body, headers=headers) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    print(choice["delta"].get("content") or "", end="", flush=True)
print()
"""


def environment(folder: Path) -> Path:
    """Make a virtual environment with the package in it, as pip installs it."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", HERE.parents[1]], check=True)
    subprocess.run([python, "-m", "compileall", "-q", folder / "lib"], check=True)
    return folder / "bin"


def cpu_of(argv: list[str | Path], variables: dict[str, str]) -> float:
    """Run a command and give the CPU seconds of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, env=variables, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def compare(runs: int) -> dict[str, float]:
    """Measure both, in turn, and give medians and their ratio."""
    answer: Callable[[Request], object] = OpenWebUI("0.12.4", key="sk-test")
    with tempfile.TemporaryDirectory() as scratch, Server(answer) as server:
        binaries = environment(Path(scratch) / "venv")
        variables = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "HOME": scratch,
            "CONTEXTOPS_BASE_URL": server.url,
            "CONTEXTOPS_API_KEY": "sk-test",
            "CONTEXTOPS_MODEL": "ctx-small",
        }
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        lean = SCRIPT.replace("timeout=None", "timeout=None, verify=False")
        python, prompt = binaries / "python", "one two three"
        commands: dict[str, list[str | Path]] = {
            "contextops": [binaries / "contextops", "chat", "send", "-n", prompt],
            "script": [python, "-c", SCRIPT, server.url, prompt],
            "lean": [python, "-c", lean, server.url, prompt],
        }
        for argv in commands.values():
            cpu_of(argv, variables)
        rounds = [
            {name: cpu_of(argv, variables) for name, argv in commands.items()} for _ in range(runs)
        ]
    figures = {f"{name}_cpu_s": statistics.median(one[name] for one in rounds) for name in commands}
    ratios = {
        f"ratio_to_{name}": statistics.median(one["contextops"] / one[name] for one in rounds)
        for name in ("script", "lean")
    }
    return {name: round(value, 3) for name, value in {**figures, **ratios}.items()}


if __name__ == "__main__":
    print(json.dumps(compare(int(sys.argv[1]) if len(sys.argv) > 1 else 15), indent=2))
