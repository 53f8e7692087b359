"""What a provider's entry leaves to the tables of vendors: row, dialect and address."""

from __future__ import annotations

from gateway.config.schema import ProviderEntry
from providers.addresses import filled
from providers.natives import OF_VENDOR, native_of
from providers.vendors import CUSTOM, VENDORS


def vendor_of(name: str, entry: ProviderEntry) -> str:
    """The row of the vendor table a provider stands on; ``custom`` when none."""
    if entry.vendor is not None:
        return entry.vendor
    return name if name in VENDORS and name != "demo" else CUSTOM


def base_url_of(name: str, entry: ProviderEntry) -> str:
    """Empty when neither the entry nor the vendor table knows it whole."""
    if entry.base_url is not None:
        return str(entry.base_url).rstrip("/")
    return filled(known_url(name, entry), entry.address)


def known_url(name: str, entry: ProviderEntry) -> str:
    """The vendor's own address for this dialect, braces and all; empty when there is none."""
    vendor = vendor_of(name, entry)
    native = native_of(vendor, dialect_of(name, entry))
    row = VENDORS.get(vendor)
    return native.base_url if native is not None else row.base_url if row is not None else ""


def dialect_of(name: str, entry: ProviderEntry) -> str:
    """Wire format of a provider: as configured, else its vendor's own at the vendor's own address. An address of the
    operator's is taken to be an OpenAI-compatible one, which these vendors have as well."""
    if entry.dialect is not None or entry.base_url is not None:
        return entry.dialect or "openai_chat"
    return OF_VENDOR.get(vendor_of(name, entry), "openai_chat")
