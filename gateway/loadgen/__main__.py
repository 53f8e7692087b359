"""``python -m gateway.loadgen URL``: the load generator without the rest of the command line."""

import sys

from gateway.loadgen.cli import main

sys.exit(main(sys.argv[1:]))
