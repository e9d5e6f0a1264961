"""llama.cpp's own server with the demo model, with its API under ``/v1``, not ``/api``.

Run as a script with a port and a key.
"""

from __future__ import annotations

import sys
import threading

import xllamacpp

from contextops.local import default_model_file, model_id


def main(port: int, key: str) -> None:
    """Serve until the process is killed."""
    params = xllamacpp.CommonParams()
    params.model.path = str(default_model_file())
    params.model_alias = {model_id(default_model_file())}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [key]
    params.n_ctx = 4096
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    threading.Event().wait()
    del server


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
