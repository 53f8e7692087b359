"""GET /api/vendors: the table of vendors, for whoever adds a provider."""

from __future__ import annotations

import msgspec
from litestar import get

from gateway.config.credentials import VENDORS_OF
from providers.addresses import placeholders
from providers.natives import OF_VENDOR, native_of
from providers.vendors import VENDORS

BUILT_IN = "demo"


class VendorEntry(msgspec.Struct):
    """A row: what a provider of this vendor has unless its spec says otherwise."""

    name: str
    base_url: str
    """With ``{words}`` in braces where ``address`` has to say something; empty: every server has its own."""
    address: list[str]
    """Those words."""
    dialect: str
    operations: list[str]
    keyless: bool
    """Runs on one's own machine and usually wants no key."""
    credentials: list[str]
    """Extras whose credentials it takes beside plain keys: ``azure``, ``bedrock``, ``vertex``."""
    note: str


class VendorEntries(msgspec.Struct):
    entries: list[VendorEntry]


@get("/vendors", sync_to_thread=False, summary="Vendors whose addresses and ways are known")
def vendors() -> VendorEntries:
    """``custom`` is not among them: it has an address of its own and speaks the dialect that its spec names."""
    return VendorEntries([_entry(name) for name in VENDORS if name != BUILT_IN])


def _entry(name: str) -> VendorEntry:
    row, dialect = VENDORS[name], OF_VENDOR.get(name, "openai_chat")
    native = native_of(name, dialect)
    base_url = row.base_url if native is None else native.base_url
    return VendorEntry(
        name,
        base_url,
        list(placeholders(base_url)),
        dialect,
        list(row.operations if native is None else native.paths),
        row.keyless,
        [extra for extra, names in VENDORS_OF.items() if name in names],
        row.note if native is None else "",
    )


VENDOR_HANDLERS = (vendors,)
