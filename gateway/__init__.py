"""microgate: an LLM gateway that costs microseconds."""

# First, so that the switch between compiled and pure modules is in force before any of them is imported.
import _speedups as _speedups

__version__ = "0.1.0"
