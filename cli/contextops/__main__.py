"""The entry point: ``python -m contextops`` and the installed ``contextops``."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line and exit with its status, or by the signal that ended it."""
    # Importing makes 100,000 objects and no garbage; collecting it took 5 % of a start.
    gc.set_threshold(500_000)
    try:
        from contextops.app import run

        status = run()
    except KeyboardInterrupt:
        # Ctrl-C before the command line was there to handle it.
        status = 130
    end(status)


def end(status: int) -> None:
    """Exit with ``status``; above 128, die by its signal, as shells and make expect."""
    import signal
    import sys

    if status > 128 and sys.platform != "win32":
        signum = status - 128
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)
    sys.exit(status)


if __name__ == "__main__":
    main()
