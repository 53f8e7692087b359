"""Where master keys come from: configuration, environment, a command, or a file that is made at the first need.

Several may be given; the first encrypts, all of them open. Which ones something was encrypted with is noted in the data
directory before it is, so a start without one of them is refused instead of leaving secrets that nobody can read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence

from gateway.config.references import Secret
from gateway.snapshot.store import write_private

FILE_NAME = "master.key"
USED_NAME = "master.used"
VARIABLE = "MICROGATE_MASTER_KEY"
"""Environment variable: master keys with commas between them."""

KEY_BYTES = 32
COMMAND_S = 20.0
"""How long the command may take: it stands before every start."""

_HEAD = "microgate-master-keys 1"
_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_ID = re.compile(r"[0-9a-f]{16}")


class MasterKeyError(Exception):
    """Master keys cannot be had, or one is missing; the message says which and what to do, and holds no key."""


class MasterKey:
    """One key and the id by which what it encrypted names it. Shown by nothing."""

    __slots__ = ("id", "value")

    def __init__(self, value: bytes) -> None:
        if len(value) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self.value = value
        self.id = hashlib.sha256(b"microgate: id of a master key" + value).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


class KeyRing:
    """The master keys of this run, the one that encrypts first."""

    __slots__ = ("_by_id", "current", "source")

    def __init__(self, keys: Sequence[MasterKey], source: str) -> None:
        """``source`` says where they came from, for messages. Raises MasterKeyError when there is none."""
        if not keys:
            raise MasterKeyError(f"there is no master key in {source}")
        self.current = keys[0]
        self.source = source
        self._by_id = {key.id: key for key in keys}

    def find(self, key_id: str) -> MasterKey | None:
        return self._by_id.get(key_id)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all keys, the current one first."""
        return tuple(self._by_id)


def generate() -> str:
    """A new master key as text: 64 hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def parse(text: str, source: str) -> MasterKey:
    """Raises MasterKeyError for text that is no master key."""
    if not _KEY.fullmatch(text):
        raise MasterKeyError(f"{source} holds no master key: expected 64 hexadecimal digits")
    return MasterKey(bytes.fromhex(text))


def load(
    data_dir: str,
    given: Sequence[Secret] = (),
    command: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    create: bool,
) -> KeyRing | None:
    """The master keys of this instance: those ``given`` in the configuration, else what ``command`` prints, else the
    environment, else the file in ``data_dir``. Without any a file is made when ``create`` says so, else there is None.
    Raises MasterKeyError, also when a key is missing with which something is encrypted.
    """
    ring = _ring(data_dir, given, command, environ)
    missing = sorted(used(data_dir) - set(ring.ids if ring is not None else ()))
    if missing:
        found = f"{ring.source} has {', '.join(ring.ids)}" if ring is not None else f"there is no {FILE_NAME}"
        raise MasterKeyError(
            f"secrets of this data directory are encrypted with the master key {missing[0]}, and {found}: give that "
            f"key as well, in secrets.master_keys, {VARIABLE} or {os.path.join(data_dir, FILE_NAME)}"
        )
    if ring is None and create:
        _write_file(data_dir, [MasterKey(secrets.token_bytes(KEY_BYTES))])
        ring = _ring(data_dir, (), (), {})
    return ring


def _ring(data_dir: str, given: Sequence[Secret], command: Sequence[str], environ: Mapping[str, str]) -> KeyRing | None:
    if given:
        source = "secrets.master_keys"
        return KeyRing([parse(secret.reveal().strip(), source) for secret in given], source)
    if command:
        source = "what secrets.master_key_command printed"
        return KeyRing([parse(line.strip(), source) for line in _printed(command).split()], source)
    if environ.get(VARIABLE):
        return KeyRing([parse(part.strip(), VARIABLE) for part in environ[VARIABLE].split(",")], VARIABLE)
    return read_file(data_dir)


def _printed(command: Sequence[str]) -> str:
    """What the command writes; nothing that it writes becomes part of a message."""
    # Here and not above: every start imports this module, and few have a command.
    import subprocess

    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_S,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise MasterKeyError(f"secrets.master_key_command was not done after {COMMAND_S:.0f} s") from None
    except OSError as error:
        raise MasterKeyError(f"secrets.master_key_command cannot be run: {error.strerror}") from None
    if done.returncode:
        raise MasterKeyError(f"secrets.master_key_command ended with status {done.returncode}")
    return done.stdout


# -- the file


def path_in(data_dir: str) -> str:
    return os.path.join(data_dir, FILE_NAME)


def read_file(data_dir: str) -> KeyRing | None:
    """The keys of ``master.key``; None when there is no such file. Raises MasterKeyError."""
    path = os.path.join(data_dir, FILE_NAME)
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read(65536).decode("ascii", "replace").split()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MasterKeyError(f"cannot read {path}: {error.strerror}") from None
    if mode & 0o077:
        raise MasterKeyError(f"{path} can be read by other users (mode {mode:04o}); run: chmod 600 {path}")
    if " ".join(lines[:2]) != _HEAD:
        raise MasterKeyError(f"{path} is no file of master keys; restore it from a backup")
    return KeyRing([parse(line, path) for line in lines[2:]], path)


def _write_file(data_dir: str, keys: Iterable[MasterKey]) -> None:
    path = os.path.join(data_dir, FILE_NAME)
    text = "\n".join([_HEAD, *(key.value.hex() for key in keys), ""])
    try:
        write_private(path, text.encode(), durable=True)
    except OSError as error:
        raise MasterKeyError(f"cannot write {path}: {error.strerror}") from None


def add_to_file(data_dir: str, ring: KeyRing) -> KeyRing:
    """Put a new key before those of the file; on the disk on return. Raises MasterKeyError."""
    _write_file(data_dir, [MasterKey(secrets.token_bytes(KEY_BYTES)), *(_known(ring, i) for i in ring.ids)])
    return _reread(data_dir)


def keep_in_file(data_dir: str, ring: KeyRing, ids: Iterable[str]) -> KeyRing:
    """Drop every key from the file but the first one and ``ids``. Raises MasterKeyError."""
    kept = {ring.current.id, *ids}
    _write_file(data_dir, [_known(ring, i) for i in ring.ids if i in kept])
    return _reread(data_dir)


def _known(ring: KeyRing, key_id: str) -> MasterKey:
    key = ring.find(key_id)
    assert key is not None
    return key


def _reread(data_dir: str) -> KeyRing:
    ring = read_file(data_dir)
    if ring is None:
        raise MasterKeyError(f"{os.path.join(data_dir, FILE_NAME)} is gone")
    return ring


# -- which of them are in use


def used(data_dir: str) -> set[str]:
    """Ids of the keys with which something of this data directory is, or may be, encrypted."""
    with contextlib.suppress(FileNotFoundError), open(os.path.join(data_dir, USED_NAME), encoding="ascii") as file:
        return set(_ID.findall(file.read(65536)))
    return set()


def note_used(data_dir: str, ids: Iterable[str]) -> None:
    """Write down that exactly these are; on the disk on return. To be called before a key is first used, and once
    nothing is encrypted with another any more. Raises MasterKeyError."""
    wanted = set(ids)
    if wanted != used(data_dir):
        path = os.path.join(data_dir, USED_NAME)
        try:
            write_private(path, "".join(f"{key_id}\n" for key_id in sorted(wanted)).encode(), durable=True)
        except OSError as error:
            raise MasterKeyError(f"cannot write {path}: {error.strerror}") from None
