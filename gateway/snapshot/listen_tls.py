"""What a snapshot says of TLS where callers connect."""

from __future__ import annotations

import msgspec


class ListenTls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Paths of PEM files."""

    cert_file: str
    key_file: str
