"""The part of ``_scan`` that follows answers; import it from there."""

from _speedups._scan import StreamScan as StreamScan
from _speedups._scan import UsageScan as UsageScan
