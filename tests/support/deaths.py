"""The signals that end a command, as far as this system has them."""

from __future__ import annotations

import signal

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
