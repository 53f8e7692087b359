"""Which records become rows of the request log, which are told of one by one elsewhere, and how long what is in the log
is kept: what the configuration says."""

from __future__ import annotations

from typing import NamedTuple

from gateway.config.log import BUILT_IN
from gateway.config.schema import Config
from gateway.control.redaction import Redactor
from gateway.control.trail import WIDTH, Values, signed
from gateway.records import Flags
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import virtual_key_id
from gateway.stores.protocols import LogLimits, LogRow

FLAGS, VIRTUAL_KEY = LogRow._fields.index("flags"), LogRow._fields.index("virtual_key")
UNLOGGED = int(Flags.UNLOGGED)


class LogChoice(NamedTuple):
    """Every record counts, and has its row in the ledger; here it is about the log alone."""

    usual: bool = True
    """Whether a record becomes a row, unless its key or its caller says otherwise."""
    others: frozenset[int] = frozenset()
    """Virtual keys of which the opposite is true, as records have them."""
    silent: frozenset[int] = frozenset()
    """Virtual keys that say for themselves that nothing is to be kept of a request."""

    def of(self, values: Values) -> Values:
        """Those of the records that become rows."""
        if self.usual and not self.others and not any(flags & UNLOGGED for flags in values[FLAGS::WIDTH]):
            return values
        kept: Values = []
        for at in range(0, len(values), WIDTH):
            if (values[at + VIRTUAL_KEY] in self.others) != self.usual and not values[at + FLAGS] & UNLOGGED:
                kept += values[at : at + WIDTH]
        return kept

    def told(self, values: Values) -> Values:
        """Those of which the access log and a collector may be told. These are configured for themselves, so it matters
        to them what caller and key say, and not what is usual for the gateway's own log."""
        if not self.silent and not any(flags & UNLOGGED for flags in values[FLAGS::WIDTH]):
            return values
        kept: Values = []
        for at in range(0, len(values), WIDTH):
            if values[at + VIRTUAL_KEY] not in self.silent and not values[at + FLAGS] & UNLOGGED:
                kept += values[at : at + WIDTH]
        return kept


def choice_of(config: Config) -> LogChoice:
    usual = config.log.content != "off"
    said = {
        signed(id_hash(virtual_key_id(entry.name, entry.id))): entry.log_content != "off"
        for entry in config.virtual_keys
        if entry.log_content is not None
    }
    return LogChoice(
        usual,
        others=frozenset(key for key, logged in said.items() if logged != usual),
        silent=frozenset(key for key, logged in said.items() if not logged),
    )


def limits_of(config: Config) -> LogLimits:
    default = LogLimits()
    rows, contents = config.log.retention, config.log.content_retention
    return LogLimits(
        max_age_s=default.max_age_s if rows is None else float(rows),
        content_max_age_s=default.content_max_age_s if contents is None else float(contents),
    )


def redactor_of(config: Config) -> Redactor:
    said = config.log
    return Redactor(
        BUILT_IN if said.redact is None else said.redact, said.redact_patterns or (), said.redact_fields or ()
    )
