"""``python -m bench [CASE...]``: run cases (all without any) and render the results; what ``make bench`` does."""

import sys

from bench import render, run
from bench.load import result

failed = run.main()
directory = result.QUICK if "--quick" in sys.argv else result.DIRECTORY
if any(case in result.read(directory) for case in render.ORDER):
    render.render(directory, (directory if "--quick" in sys.argv else directory.parent) / "RESULTS.md")
sys.exit(failed)
