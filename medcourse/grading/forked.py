"""Imported once by the process that Dask's workers are forked from, and by nothing else."""

import signal

from medcourse.grading import workforce  # noqa: F401  (what workers need)

# Ctrl-C in a terminal reaches all of its processes; the one that started the workers is who ends them.
signal.signal(signal.SIGINT, signal.SIG_IGN)
