"""The master keys of a running control process: looked for at the first need, made at the first secret."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence

from gateway.config.references import Secret
from gateway.secrets import master_key
from gateway.secrets.master_key import KeyRing


class Keeper:
    """Called on any thread."""

    def __init__(self, data_dir: str, environ: Mapping[str, str] = os.environ) -> None:
        self.data_dir = data_dir
        self._environ = environ
        self._given: Sequence[Secret] = ()
        self._command: Sequence[str] = ()
        self._lock = threading.Lock()
        self._ring: KeyRing | None = None

    def look_in(self, given: Sequence[Secret], command: Sequence[str]) -> None:
        """What the file says of master keys. It is not looked at any more once they are found."""
        self._given, self._command = given, command

    def ring(self) -> KeyRing | None:
        """What there is to open secrets with; None: nothing was ever encrypted here. Raises MasterKeyError."""
        return self._found(create=False)

    def for_writing(self) -> KeyRing:
        """The same to encrypt with, noted as used. Raises MasterKeyError."""
        ring = self._found(create=True)
        assert ring is not None
        master_key.note_used(self.data_dir, master_key.used(self.data_dir) | {ring.current.id})
        return ring

    def turn_to(self, ring: KeyRing) -> None:
        """Use these from now on."""
        with self._lock:
            self._ring = ring

    def _found(self, *, create: bool) -> KeyRing | None:
        with self._lock:
            if self._ring is None:
                self._ring = master_key.load(self.data_dir, self._given, self._command, self._environ, create=create)
            return self._ring
