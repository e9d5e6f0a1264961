"""Entry point of ``python -m contextops`` and of the installed ``contextops``."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line and end the process with its status."""
    # Loading modules creates 100,000 objects and no garbage; collecting it took 5 % of a start.
    gc.set_threshold(500_000)
    try:
        from contextops.app import run

        status = run()
    except KeyboardInterrupt:
        # The signal came before ``run`` could handle it.
        status = 130
    end(status)


def end(status: int) -> None:
    """End the process with ``status``; above 128, by the signal that it stands for.

    Shells and make stop a script only if the process really died of the signal.
    """
    import signal
    import sys

    if status > 128 and sys.platform != "win32":
        signum = status - 128
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)
    sys.exit(status)


if __name__ == "__main__":
    main()
