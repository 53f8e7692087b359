"""Where requests of one provider go, and what makes two connections interchangeable."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.snapshot.model import Provider, Tls
from gateway.upstream.proxy import Proxy

DEFAULT_PORTS = {"http": 80, "https": 443}

NO_TLS = Tls()


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """One end of upstream connections; equal origins may share connections, unequal ones never do.

    Two providers never share connections even when every address agrees: credentials, TLS identity and proxy are the
    provider's own, and a connection desynchronised by one must not answer for another.
    """

    provider: str
    """Stable id of the provider."""
    scheme: str
    """``http``, ``https`` or ``unix``."""
    host: str
    """Lower case, without brackets; empty for ``unix``."""
    port: int
    prefix: str
    """Path prefix without its trailing slash: ``/v1`` or empty."""
    server_name: str = ""
    """Name sent as SNI and matched with the certificate; empty unless ``https``."""
    tls: Tls = NO_TLS
    proxy: Proxy | None = None
    unix_path: str = ""
    connect_timeout: float = 3.0
    """Seconds for everything before the first request byte; 0: none."""
    allow_private: bool = True
    """A base_url in the operator's own file allow-lists exactly its host and port, private addresses included."""
    _identity: tuple[object, ...] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        tls = (self.tls.ca_file, self.tls.client_cert, self.tls.client_key)
        address = (self.provider, self.scheme, self.host, self.port, self.unix_path, self.server_name)
        identity = (*address, *tls, self.proxy, self.allow_private)
        object.__setattr__(self, "_identity", identity)
        object.__setattr__(self, "_hash", hash(identity))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self._hash == other._hash and self._identity == other._identity

    @property
    def authority(self) -> str:
        """Value of the Host field: without the port where it is the scheme's own; ``localhost`` for unix."""
        if self.scheme == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target_prefix(self) -> str:
        """What stands before an operation's path in the request line: the absolute form through a proxy for plain http
        (RFC 9112, 3.2.2), else the path prefix."""
        if self.proxy is not None and self.scheme == "http":
            return f"http://{self.authority}{self.prefix}"
        return self.prefix

    @property
    def proxy_field(self) -> bytes:
        """Header line with the proxy's credentials for absolute-form requests, else empty. Through a CONNECT tunnel it
        goes into the CONNECT request only, never to the provider."""
        if self.proxy is not None and self.scheme == "http":
            return self.proxy.authorization_field
        return b""

    @staticmethod
    def of(provider: Provider, *, allow_private: bool = True) -> Origin:
        """Read a provider's ``base_url``, TLS and proxy settings. Raises ValueError on an unusable address."""
        if provider.base_url.startswith("unix:"):
            path, _, prefix = provider.base_url.removeprefix("unix:").partition("|")
            if not path:
                raise ValueError(f"base_url of {provider.name} names no socket")
            return Origin(
                provider=provider.id,
                scheme="unix",
                host="",
                port=0,
                prefix=prefix.rstrip("/"),
                unix_path=path,
                connect_timeout=provider.timeouts.connect,
            )
        parts = urlsplit(provider.base_url)
        scheme = parts.scheme.lower()
        if scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"base_url of {provider.name} is no http or https address")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError(f"base_url of {provider.name} has credentials, a query or a fragment")
        host = parts.hostname.lower()
        return Origin(
            provider=provider.id,
            scheme=scheme,
            host=host,
            port=parts.port if parts.port is not None else DEFAULT_PORTS[scheme],
            prefix=parts.path.rstrip("/"),
            server_name=(provider.tls.server_name or host.rstrip(".")) if scheme == "https" else "",
            tls=provider.tls,
            proxy=Proxy.parse(provider.proxy) if provider.proxy else None,
            connect_timeout=provider.timeouts.connect,
            allow_private=allow_private,
        )
