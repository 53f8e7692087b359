"""Which optional package a kind of credential needs, and whether it is installed; nothing is imported to find out."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple


class Extra(NamedTuple):
    """One row."""

    name: str
    """As in ``pip install 'microgate[name]'``."""
    module: str
    """What is imported of it."""
    package: str


EXTRAS = {
    "azure": Extra("azure", "azure.identity", "azure-identity"),
    "vertex": Extra("vertex", "google.auth", "google-auth"),
    "bedrock": Extra("bedrock", "botocore", "botocore"),
}

OF_TYPE = {
    "entra_client_secret": "azure",
    "managed_identity": "azure",
    "service_account": "vertex",
    "google_adc": "vertex",
    "aws_keys": "bedrock",
    "aws_chain": "bedrock",
    "aws_assume_role": "bedrock",
}
"""``credential.type`` -> the extra that serves it."""

SIGNING = frozenset({"aws_keys", "aws_chain", "aws_assume_role"})
"""Types whose keys sign each request; the others yield a token that is sent."""


def installed(extra: Extra) -> bool:
    """Whether what the extra brings can be imported."""
    try:
        return find_spec(extra.module) is not None
    except ModuleNotFoundError:
        # The package around it is missing already.
        return False


def missing(credential_type: str) -> Extra | None:
    """The extra that has to be installed before such a credential can be used; None when it is."""
    extra = EXTRAS[OF_TYPE[credential_type]]
    return None if installed(extra) else extra
