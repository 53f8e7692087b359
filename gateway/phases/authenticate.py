"""Who asks: one extractor for the credential, whatever header a client puts it in; a key becomes a principal."""

from __future__ import annotations

from time import time

from _speedups._bytes import part
from _speedups._head import HeadScan
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.virtual_key import is_mistyped

BEARER = b"Bearer "
SIGV4 = b"AWS4-HMAC-SHA256 "


def credential_of(head: HeadScan) -> bytes | None:
    """The one credential of a request: ``x-microgate-key``, else ``Authorization: Bearer``, ``x-api-key``, ``api-key``
    or ``x-goog-api-key``; of an AWS signature, its access key id. An Authorization header of another scheme is no
    credential."""
    if head.x_microgate_key is not None:
        return head.x_microgate_key
    authorization = head.authorization
    if authorization is not None:
        if authorization.startswith(BEARER):
            return part(authorization, 7, len(authorization)).strip()
        if authorization[:7].lower() == b"bearer ":
            return authorization[7:].strip()
        if authorization.startswith(SIGV4):
            return access_key_id(authorization)
        return None
    if head.x_api_key is not None:
        return head.x_api_key
    if head.api_key is not None:
        return head.api_key
    return head.x_goog_api_key


def access_key_id(authorization: bytes) -> bytes | None:
    """The key that an AWS SDK was given as its access key id, out of a Signature Version 4. The signature itself can't
    be checked: its secret half is not known here, and the id alone is the secret."""
    _, found, rest = authorization.partition(b"Credential=")
    return rest.partition(b"/")[0].strip() or None if found else None


def of_handshake(x: Exchange) -> bytes | None:
    """The credential of a browser, which can't set header fields for a WebSocket."""
    from gateway.realtime import handshake

    return handshake.credential_of(x)


def authenticate(x: Exchange) -> Response | None:
    """Fill ``x.principal``, or refuse with 401. The head last scanned must be this request's."""
    core = x.core
    credential = credential_of(core.request_head)
    if credential is None and x.route is not None and x.route.websocket:
        credential = of_handshake(x)
    if credential:
        principal = core.principal_of(credential)
        if principal is not None and (principal.expires_s == 0 or time() < principal.expires_s):
            x.principal = principal
            return None
        if is_mistyped(credential):
            message = "The key is mistyped or cut off: its checksum is wrong."
        else:
            message = "The key is not known here, is switched off or has expired."
    elif core.view.snapshot.virtual_keys == 0:
        message = (
            "No virtual key exists yet. Declare one under virtual_keys in microgate.yaml and start with "
            "'microgate serve --config microgate.yaml', or try 'microgate serve --demo'."
        )
    else:
        message = "Send a virtual key, for example as 'Authorization: Bearer KEY'."
    response = refuse(GatewayError("unauthorized", message), x.request_id.decode())
    response.headers = b"www-authenticate: Bearer\r\n"
    return response
