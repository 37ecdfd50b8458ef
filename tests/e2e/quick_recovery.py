"""``bouncemon``, but three quiet seconds are enough for an incident to be over.

``python -m tests.e2e.quick_recovery COMMAND ...``

The quiet after which an incident closes is a constant of minutes, since a cause that
pauses is not gone. A test that waits for an incident's end has no minutes.
"""

import sys

from monitor.observe import recovery
from monitor.service.cli import run

QUIET_SECONDS = 3.0

if __name__ == "__main__":
    recovery.QUIET_SECONDS = recovery.QUIET_SECONDS_SMALL = QUIET_SECONDS
    sys.exit(run(sys.argv[1:]))
