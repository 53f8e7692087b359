"""The last plan that worked, on disk under AES-256-GCM: with it the gateway starts when its database or file does not.

Imported only where it is used: ``cryptography`` costs more to import than everything else a start does.
"""

from __future__ import annotations

import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.snapshot.plan import Plan, database_entities
from gateway.snapshot.store import SEALED_HEADER, SEALED_MAGIC, StoreError, write_private


def seal(path: str, key: bytes, plan: Plan, version: int) -> None:
    """Write ``plan`` to ``path``: atomically, mode 0600, on the disk when this returns. Called by the control process
    once the workers have confirmed the version."""
    head = SEALED_HEADER.pack(SEALED_MAGIC, database_entities(plan), version, secrets.token_bytes(12))
    content = AESGCM(key).encrypt(head[-12:], msgspec.msgpack.encode(plan), head)
    write_private(path, head + content, durable=True)


def unseal(path: str, key: bytes) -> tuple[Plan, int]:
    """The plan and the version it was sealed with. Raises StoreError when there is none, when it was changed, or when
    the key is another one."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise StoreError(f"there is no sealed configuration {path}") from None
    except OSError as exc:
        raise StoreError(f"cannot read the sealed configuration {path}: {exc.strerror}") from exc
    head, content = data[: SEALED_HEADER.size], data[SEALED_HEADER.size :]
    if len(head) < SEALED_HEADER.size or not head.startswith(SEALED_MAGIC):
        raise StoreError(f"{path} is not a sealed configuration")
    try:
        plain = AESGCM(key).decrypt(head[-12:], content, head)
    except InvalidTag:
        raise StoreError(f"{path} was changed or was sealed with another key file") from None
    try:
        return msgspec.msgpack.decode(plain, type=Plan), SEALED_HEADER.unpack(head)[2]
    except ValueError as exc:
        raise StoreError(f"{path} was sealed by another version of microgate: {exc}") from exc
