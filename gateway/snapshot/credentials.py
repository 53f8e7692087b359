"""From the file's ``credential`` sections to what the snapshot says of them."""

from __future__ import annotations

from gateway.config.credentials import CredentialEntry, region_in, type_of
from gateway.config.references import Secret
from gateway.credentials.extras import SIGNING
from gateway.snapshot.model import Credential

RENAMED = {"client_secret": "secret", "secret_access_key": "secret", "key": "secret"}


def resolved(entry: CredentialEntry, base_url: str) -> Credential:
    """The same credential as plain data; one that signs knows for which region."""
    kind = type_of(entry)
    values = {}
    for field in entry.__struct_fields__:
        value = getattr(entry, field)
        if value is not None:
            values[RENAMED.get(field, field)] = value.reveal() if isinstance(value, Secret) else str(value)
    if kind in SIGNING and not values.get("region"):
        values["region"] = region_in(base_url)
    return Credential(type=kind, **values)
