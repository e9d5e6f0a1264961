"""Run a command and report its cost: CPU seconds, wall-clock seconds and peak memory in bytes.

    python -I -S measure.py REPORT COMMAND...

It is a small process of its own because the peak memory that the system reports for a child is
never less than that of its parent at the fork. Standard input, output and error are passed on.
"""

import os
import sys
import time

report, *argv = sys.argv[1:]
begin = time.perf_counter()
child = os.posix_spawnp(argv[0], argv, os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - begin
peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
with open(report, "w") as file:  # noqa: PTH123 - pathlib would make it a third larger
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, peak, file=file)
