"""The program of the child process: llama.cpp's own server, until standard input closes.

It is run by its path and with ``-P``, so that it imports nothing from the package and nothing from
the current folder. Standard input brings the options as one line of JSON and then stays open for
as long as the parent lives. Every error is a traceback on stderr, which the parent reads.
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
    """Serve with the options on standard input, and remove the folder when the parent ends."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    options = json.loads(line)
    _ignore_signals()
    server = _start(options)
    # Again, because llama.cpp has installed its own handlers, which print.
    _ignore_signals()
    folder = Path(options["folder"])
    _write_address(folder, server.listening_address)
    # The parent writes nothing more: the read ends when the parent does, even by SIGKILL.
    sys.stdin.buffer.read()
    _remove(folder)
    # A normal exit would wait for the server's threads, which may be in the middle of an answer.
    os._exit(0)


def _ignore_signals() -> None:
    """Leave Ctrl-C and other signals to the parent, which ends this process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)
        if signum is not None:
            signal.signal(signum, signal.SIG_IGN)


def _start(options: dict[str, Any]) -> Any:
    # libgomp reads this when it is loaded: waiting threads sleep instead of using a core each.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # Otherwise a crash would start gdb and wait for it.
    os.environ["GGML_NO_BACKTRACE"] = "1"
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["model_file"]
    params.model_alias = {options["model"]}
    params.hostnames = options["hosts"]
    params.port = options["port"]
    params.api_prefix = "/api"
    # An empty list would accept requests of every user of the machine.
    params.api_keys = [options["api_key"]]
    params.ui = False
    params.endpoint_slots = False
    _fit_to_machine(params)
    _set_defaults(params.sampling)
    return xllamacpp.Server(params)


def _fit_to_machine(params: Any) -> None:
    cores = _cores()
    params.cpuparams.n_threads = max(1, min(4, cores // 2))
    # Every core speeds up reading a prompt, but hardly writing: reading 31 tokens takes 0.2 s on
    # two cores and 0.4 s on one.
    params.cpuparams_batch.n_threads = min(4, cores)
    params.n_ctx = _CONTEXT
    # Canceling a prompt takes effect between two batches: after 3 s at most, where the default of
    # 2048 takes 30 s.
    params.n_batch = 256
    # Probing how much of the model fits on a GPU would double the 0.5 s of loading.
    params.fit_params = False
    # A warm-up run takes 0.1 s and does not make the first answer faster.
    params.warmup = False
    # No cache of old prompts, which takes 8 GB by default.
    params.cache_ram_mib = 0
    # Log errors only, for the parent's message; level 3 logs every request.
    params.verbosity = 1


def _set_defaults(sampling: Any) -> None:
    """Set sampling that stops a small model from rambling; a request's own values override it."""
    sampling.temp = 0.2
    sampling.top_p = 0.9
    sampling.penalty_repeat = 1.1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _write_address(folder: Path, address: str) -> None:
    """Write the address to ``ready``, atomically: the parent polls for that file."""
    temporary = folder / "ready.tmp"
    temporary.write_text(address, encoding="utf-8")
    temporary.replace(folder / "ready")


def _remove(folder: Path) -> None:
    # It fails if the parent was quicker, or if this process's log is still open (Windows).
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()


if __name__ == "__main__":
    main()
