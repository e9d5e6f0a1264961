"""Run a command and tell what it cost, in seconds of CPU, of the clock, and bytes at its peak.

    python -I -S measure.py REPORT COMMAND...

A process of its own, and a small one: a child's peak begins with what its parent held when it was
started, and is never told smaller. Standard input, output and error are the command's.
"""

import os
import sys
import time

report, *argv = sys.argv[1:]
begin = time.perf_counter()
child = os.posix_spawnp(argv[0], argv, os.environ)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - begin
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
with open(report, "w") as file:  # noqa: PTH123 - pathlib would make it a third larger
    print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, wall, peak, file=file)
