"""``python -m gateway.faults``: the fault proxy without the rest of the command line."""

from gateway.faults.cli import command

command(prog_name="microgate faults")
