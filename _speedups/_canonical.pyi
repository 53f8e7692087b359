"""What a request asks, whatever its spelling: a canonical form of JSON bodies, and the digest of it."""

from collections.abc import Iterable
from typing import Final, final

MAX_MEMBERS: Final = 65536
"""A body with more members in all has no canonical form: it is not worth remembering."""

@final
class Canonical:
    """Scratch object, reused for every request of a worker; attributes are valid until the next call.

    Two bodies have the same form exactly when they differ in nothing but

    * white space outside strings,
    * the escapes by which a string is spelled: quote, backslash and control characters stay escaped, in the shortest
      way and with small hexadecimal digits; any other character is its UTF-8, pairs of surrogates one character; half
      a pair stays as it is, escaped,
    * the order of an object's members, sorted here by the bytes of their names. Of several members with the same name
      the order is kept: providers differ in which counts. So is the order of members in the value of a member
      ``properties``: structured answers are written in the order of their schema,
    * members of the top level that are to be dropped,
    * zeros at the end of a fraction (``1.0``, ``0.70``) in ``temperature``, ``top_p``, ``topP``, ``frequency_penalty``,
      ``presence_penalty``, ``frequencyPenalty`` and ``presencePenalty`` of the top level or of its members
      ``generationConfig``, ``generation_config`` and ``inferenceConfig``, where they have no exponent. These are
      numbers by contract; clients in several languages write them differently. Any other number stays digit for
      digit: ``1.0`` is refused where an integer is wanted, and shown as such where a prompt is made of it.
    """

    temperature: int
    """Of the top level, or of one of the three members above: -1 absent or null, 0 zero, 1 anything else, or several
    that disagree."""
    store: int
    """Of the top level: -1 absent or null, 0 false, 1 anything else, or several that disagree."""
    has_tools: bool
    """``tools``, ``functions`` or ``toolConfig`` of the top level says something."""
    provider_tools: bool
    """Some tool among them is run by the provider, or can't be told not to be: it has a ``type`` other than
    ``function`` and ``custom``, or has neither type nor name and is more than ``function``, ``functionDeclarations`` or
    ``function_declarations``; in ``toolConfig`` a ``systemTool``."""
    barred: bool
    """A member of ``bar`` says something: it is neither null, false nor empty."""

    def __init__(self, drop: Iterable[bytes] = (), bar: Iterable[bytes] = ()) -> None:
        """``drop``, ``bar``: names of top-level members in UTF-8, unescaped: those that are left out of the form, and
        those that ``barred`` reports; a name may be among both. Raises ValueError for more than 64 names in all, one
        longer than 63 bytes, or one that would have to be escaped."""

    def digest(self, prefix: bytes, body: bytes) -> bytes | None:
        """SHA-256 over the length of ``prefix`` (8 bytes, in the machine's own order), ``prefix`` and ``form(body)``.

        None (attributes as if all were absent) when ``body`` is no JSON object, nests deeper than 1,024, has more than
        ``MAX_MEMBERS`` members, or so much of it in objects inside objects, all in another order, that moving them
        would mean to move eight times its length and a MiB. What stands within strings is not judged again: it is taken
        from a body that ``JsonScan`` has accepted. Never raises on any bytes but for want of memory; no recursion.
        """

    def form(self, body: bytes) -> bytes | None:
        """The canonical form itself, never longer than ``body``; None as for ``digest``."""
