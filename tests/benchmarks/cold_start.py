"""Compare the CPU of a cold ``chat send`` with that of a twelve-line httpx script.

    python tests/benchmarks/cold_start.py [RUNS]

Both run in a virtual environment of their own, as users have them: packages of a development
environment (click) make httpx load more than it needs. They alternate against one loopback server;
the figures are user and system time of the whole process, and their ratio is what counts.
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
with httpx.Client(timeout=None, verify=False) as client:
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
        ours = [binaries / "contextops", "chat", "send", "-n", "one two three"]
        script = [binaries / "python", "-c", SCRIPT, server.url, "one two three"]
        for argv in (ours, script):
            cpu_of(argv, variables)
        pairs = [(cpu_of(ours, variables), cpu_of(script, variables)) for _ in range(runs)]
    return {
        "contextops_cpu_s": round(statistics.median(a for a, _ in pairs), 4),
        "script_cpu_s": round(statistics.median(b for _, b in pairs), 4),
        "ratio": round(statistics.median(a / b for a, b in pairs), 3),
    }


if __name__ == "__main__":
    print(json.dumps(compare(int(sys.argv[1]) if len(sys.argv) > 1 else 15), indent=2))
