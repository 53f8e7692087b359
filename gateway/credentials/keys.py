"""The keys of one provider of which some have credentials that come and go: which can be used, and what is sent."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from gateway.credentials.extras import SIGNING
from gateway.credentials.outcome import REASONS
from gateway.credentials.signing import Signer
from gateway.credentials.source import Source, Sources

if TYPE_CHECKING:
    from gateway.serving import Upstream

NONE = -1
WAITING = -2


class KeyCredentials:
    """Stands in ``Upstream.credentials``; a provider whose keys are plain text has None there."""

    def __init__(self, upstream: Upstream, sources: Sources) -> None:
        self.upstream = upstream
        self.sources: dict[int, Source] = {}
        """Key -> where its credential comes from."""
        self.serials: dict[int, int] = {}
        self.signers: dict[int, Signer] = {}
        self.plain = 0
        for index, key in enumerate(upstream.key_specs):
            if key.credential is None:
                self.plain |= 1 << index
            elif key.enabled:
                self.sources[index] = sources.source(key.credential, f"{upstream.name}/{key.name}")

    def choose(self, x: Any, mask: int, now_ns: int) -> int:
        """A key of ``mask`` that can be sent with now; else WAITING, and ``x`` will choose again when a fetch is over;
        else NONE."""
        ready, pending = self.usable(mask, now_ns)
        keys = self.upstream.keys
        key = int(keys.choose(ready, now_ns)) if ready else NONE
        if key >= 0:
            if key in self.sources:
                self.put(key)
            return key
        key = int(keys.choose(pending, now_ns)) if pending else NONE
        if key < 0:
            return NONE
        x.asked_ns = now_ns
        self.sources[key].wait(x)
        return WAITING

    def usable(self, mask: int, now_ns: int) -> tuple[int, int]:
        """Which keys of ``mask`` can be sent with, and which may be soon."""
        ready, pending = mask & self.plain, 0
        for index, source in self.sources.items():
            bit = 1 << index
            if mask & bit:
                if source.until_ns > now_ns:
                    ready |= bit
                elif source.pending:
                    pending |= bit
        return ready, pending

    def hopeful(self, mask: int) -> int:
        """Those of ``mask`` that are worth choosing among."""
        ready, pending = self.usable(mask, monotonic_ns())
        return ready | pending

    def why(self, mask: int) -> str:
        """Why no key of ``mask`` can be used, as a caller may be told; empty when that is not for want of a
        credential."""
        if self.hopeful(mask):
            return ""
        for index, source in self.sources.items():
            if mask >> index & 1:
                return REASONS.get(source.error, REASONS["failed"])
        return ""

    def put(self, key: int) -> None:
        """Make the heads anew whose credential has been renewed since."""
        source = self.sources[key]
        have = source.have
        if have is None or self.serials.get(key) == source.serial:
            return
        self.serials[key] = source.serial
        if source.credential.type in SIGNING:
            self.signers[key] = Signer(have, source.credential.region)
        else:
            self.upstream.put(key, have.token)

    def signed(self, key: int, data: bytes) -> bytes:
        """The request as it is written: with its signature where the key is one that signs."""
        signer = self.signers.get(key)
        return data if signer is None else signer.sign(data, self.upstream.pool.origin.scheme)

    def signs(self, key: int) -> bool:
        return key in self.signers

    def refused(self, key: int) -> None:
        """The provider did not take the key."""
        source = self.sources.get(key)
        if source is not None:
            source.refused()
