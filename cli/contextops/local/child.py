"""What runs inside the child process: llama.cpp's own server, until standard input closes.

Run by its path and with ``-P``, so that it loads nothing of the package and nothing of the folder
the user stands in. Standard input brings the orders as one line of JSON and then stays open for as
long as the parent lives. Every failure is a traceback on stderr: the parent reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_CONTEXT = 4096


def main() -> None:
    """Serve as ordered, and leave nothing behind when the parent is gone."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    orders = json.loads(line)
    _ignore_signals()
    server = _start(orders)
    # llama.cpp has put handlers of its own in place, which print.
    _ignore_signals()
    folder = Path(orders["folder"])
    _announce(folder, server.listening_address)
    # The parent writes no more: reading ends when it does, even by kill -9.
    sys.stdin.buffer.read()
    _remove(folder)
    # Its threads may be in the middle of an answer; a tidy end would wait for them.
    os._exit(0)


def _ignore_signals() -> None:
    """Leave Ctrl-C and the like to the parent, which ends this process when it wants to."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)
        if signum is not None:
            signal.signal(signum, signal.SIG_IGN)


def _start(orders: dict[str, Any]) -> Any:
    # Read when libgomp is loaded: threads that wait sleep, instead of burning a core each.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # A crash would start gdb, and wait for it.
    os.environ["GGML_NO_BACKTRACE"] = "1"
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = orders["model_file"]
    params.model_alias = {orders["model"]}
    params.hostnames = orders["hosts"]
    params.port = orders["port"]
    params.api_prefix = "/api"
    # An empty list would open the listener to everybody on the machine.
    params.api_keys = [orders["api_key"]]
    params.ui = False
    params.endpoint_slots = False
    _fit_to_machine(params)
    _set_defaults(params.sampling)
    return xllamacpp.Server(params)


def _fit_to_machine(params: Any) -> None:
    cores = _cores()
    params.cpuparams.n_threads = max(1, min(4, cores // 2))
    # Reading gains from each core, writing hardly: 31 tokens take 0.2 s on two cores, 0.4 on one.
    params.cpuparams_batch.n_threads = min(4, cores)
    params.n_ctx = _CONTEXT
    # Between two batches a cancelled prompt is noticed: 3 s, not the 30 of the default 2048.
    params.n_batch = 256
    # Trying how much of it a GPU would hold doubles the 0.5 s of loading.
    params.fit_params = False
    # An empty run of 0.1 s, of which the first answer gains nothing.
    params.warmup = False
    # Old prompts kept for later: 8 GB by default.
    params.cache_ram_mib = 0
    # Errors only, for the parent's message; at 3 every request has its lines.
    params.verbosity = 1


def _set_defaults(sampling: Any) -> None:
    """Keep a small model from rambling; a request's own values win."""
    sampling.temp = 0.2
    sampling.top_p = 0.9
    sampling.penalty_repeat = 1.1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _announce(folder: Path, address: str) -> None:
    """Let the parent see the address whole or not at all."""
    unfinished = folder / "ready.tmp"
    unfinished.write_text(address, encoding="utf-8")
    unfinished.replace(folder / "ready")


def _remove(folder: Path) -> None:
    # Where the parent was quicker, or our own log is still open (Windows), there is nothing to do.
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()


if __name__ == "__main__":
    main()
