"""Runs a supervisor as the command line would, with options and stand-ins given as one JSON argument."""

from __future__ import annotations

import json
import sys

from gateway.processes.context import Entries, ServeOptions
from gateway.processes.first import BootProcess
from gateway.supervisor import run

options = json.loads(sys.argv[1])
serve = ServeOptions(**options.pop("options"), entries=Entries(**options.pop("entries")))
boot = BootProcess(serve.entries.boot)
try:
    sys.exit(run(serve, boot))
except KeyboardInterrupt:
    sys.exit(130)
finally:
    boot.close()
