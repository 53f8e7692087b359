"""The part of ``_scan`` that reads heads; import it from there."""

from _speedups._scan import HeaderFilter as HeaderFilter
from _speedups._scan import HeadScan as HeadScan
