"""Operators and what they present: who a request comes from, logins, sessions, API tokens.

Nothing is remembered between requests: whoever is switched off, logged out or given another role is so at the next one,
in every process that uses the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from gateway import admin_token, operator_ticket
from gateway.operator_ticket import API_TOKEN, SESSION
from gateway.operators import setup_secret
from gateway.operators.lockout import Lockout
from gateway.operators.passwords import Passwords, UnfitPassword
from gateway.operators.roles import Role, RoleName
from gateway.snapshot.digest import key_digest
from gateway.stores.entities import Change, Credential, Entity, new_id
from gateway.stores.protocols import ConfigStore, NotFound, StoreUnavailable

KIND = "operator"
IDLE_S = 30 * 60
LIFE_S = 12 * 3600
NOTE_USE_S = 60
"""A session's last use is written down when the one noted is older: a session ends up to a minute sooner."""
SHOWN = 4
"""Last characters of a ticket by which it is known in lists."""

Via = Literal["admin_token", "session", "api_token"]
T = TypeVar("T")


class Refused(Exception):
    """It may not be done; the message says why, for whoever asked. ``wait_s``: not before so many seconds."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class PasswordChangeRequired(Exception):
    """A session whose password somebody else made does nothing before it is changed."""


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator, as stored."""

    role: RoleName
    password: str
    """Argon2id, in its own text form."""
    enabled: bool = True
    one_time: bool = False
    """Somebody else knows the password: whoever logs in with it sets another one before anything else."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored beside the digest of a session or an API token."""

    role: RoleName = "admin"
    """At most this, and never more than its owner has."""
    name: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    """Of the operator; ``admin.token`` for the token of the data directory."""
    role: Role
    via: Via
    operator_id: str = ""
    ticket_id: str = ""
    must_change_password: bool = False
    """Of a session: until its operator has set a password of their own it may do nothing else."""

    @property
    def actor(self) -> str:
        """As the audit names it."""
        return self.operator_id or self.name


class Accounts:
    """Over the configuration store; used on control's loop, which it never keeps waiting for the disk."""

    def __init__(
        self,
        store: ConfigStore,
        pepper: bytes,
        token: str,
        data_dir: str,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.store = store
        self.passwords = Passwords()
        self.lockout = Lockout()
        self._pepper = pepper
        self._token = token
        self._data_dir = data_dir
        self._now_us = now_us
        self._setting_up = asyncio.Lock()

    def close(self) -> None:
        self.passwords.close()

    # -- who asks

    async def of_bearer(self, presented: str, *, in_use: bool = True) -> Caller | None:
        """Who this bearer token stands for. ``in_use``: that it is asked is a use of it, which is noted."""
        if admin_token.matches(self._token, presented):
            return Caller(admin_token.FILE_NAME, Role.ADMIN, "admin_token")
        return await self._of_ticket(presented, API_TOKEN, "api_token", in_use=in_use)

    async def of_session(self, presented: str, *, in_use: bool = True) -> Caller | None:
        """Who is logged in with this cookie. ``in_use``: the session is not idle."""
        return await self._of_ticket(presented, SESSION, "session", in_use=in_use)

    async def _of_ticket(self, presented: str, form: str, via: Via, *, in_use: bool) -> Caller | None:
        ticket = presented.encode("ascii", "replace")
        if not presented.startswith(form) or not operator_ticket.is_issued(self._pepper, ticket):
            return None
        return await asyncio.to_thread(self._look_up, key_digest(self._pepper, ticket), via, in_use)

    def _look_up(self, digest: bytes, via: Via, in_use: bool) -> Caller | None:
        try:
            found = self.store.credential(digest)
            if found.kind != via:
                return None
            entity, account = self._account(found.owner)
        except NotFound:
            return None
        if not account.enabled:
            return None
        now_us = self._now_us()
        if via == "session" and now_us >= found.created_us + LIFE_S * 1_000_000:
            return None
        if in_use and now_us - found.used_us > NOTE_USE_S * 1_000_000:
            # Where nothing can be written, whoever is logged in reads on until the end that was noted before.
            with contextlib.suppress(StoreUnavailable):
                if via == "session":
                    self.store.use(digest, self._end_of(found.created_us, now_us))
                else:
                    self.store.use(digest)
        role = min(Role.named(account.role), Role.named(msgspec.json.decode(found.body, type=Ticket).role))
        return Caller(entity.name, role, via, entity.id, found.id, account.one_time and via == "session")

    def _account(self, operator_id: str) -> tuple[Entity, Account]:
        entity = self.store.get(KIND, operator_id)
        return entity, msgspec.json.decode(entity.body, type=Account)

    @staticmethod
    def _end_of(created_us: int, now_us: int) -> int:
        return min(created_us + LIFE_S * 1_000_000, now_us + IDLE_S * 1_000_000)

    # -- becoming an operator, logging in and out

    async def set_up(self, secret: str, name: str, password: str) -> tuple[Entity, str]:
        """Redeem the set-up secret: the first operator, an admin, and a session. Raises Refused, UnfitPassword,
        TooBusy."""
        async with self._setting_up:
            if not setup_secret.matches(self._data_dir, secret):
                raise Refused("the set-up secret is wrong or was redeemed")
            stored = await self.passwords.hashed(password)
            if await asyncio.to_thread(lambda: self.store.page(KIND, limit=1).entities):
                # Killed between the two steps below, at an earlier try.
                setup_secret.redeem(self._data_dir)
                raise Refused("there are operators already: log in")
            entity = await self.create(name, "admin", stored, "setup")
            setup_secret.redeem(self._data_dir)
        return entity, await self._begin(entity)

    async def create(self, name: str, role: RoleName, stored: str, actor: str, *, one_time: bool = False) -> Entity:
        """A new operator with a password as ``Passwords.hashed`` gives it. Raises NameTaken."""
        account = Account(role=role, password=stored, one_time=one_time)
        change = Change(actor=actor, action="create", after=shown(account))
        return await asyncio.to_thread(self.store.create, KIND, name, msgspec.json.encode(account), change)

    async def log_in(self, name: str, password: str, source: str = "") -> tuple[Entity, str]:
        """The operator and a session; ``source`` is the address it is tried from, empty for one that is not known.
        Raises Refused for whatever is wrong, in the same words; TooBusy."""
        self._try(name, source)
        entity, account = await asyncio.to_thread(self._named, name)
        right = await self.passwords.verify(account.password if account is not None else "", password)
        if not right or entity is None or account is None or not account.enabled:
            if entity is not None:
                # Names of nobody are not written down: there is no bound to them.
                refused = Change(actor=entity.id, action="login refused")
                await asyncio.to_thread(self.store.note, refused, KIND, entity.id, entity.name)
            raise Refused("the name or the password is wrong")
        self.lockout.right(name, source)
        await asyncio.to_thread(self.store.note, Change(actor=entity.id, action="login"), KIND, entity.id, entity.name)
        return entity, await self._begin(entity)

    def _try(self, name: str, source: str) -> None:
        """Raises Refused, TooBusy: no password is looked at now."""
        wait = self.lockout.wait_s(name, source)
        if wait:
            raise Refused("too many wrong passwords: wait", wait)
        self.passwords.refuse_if_busy()
        # Counted before it is known, so that many tries at once are no way around.
        self.lockout.wrong(name, source)

    def _named(self, name: str) -> tuple[Entity | None, Account | None]:
        try:
            entity = self.store.by_name(KIND, name)
        except NotFound:
            return None, None
        return entity, msgspec.json.decode(entity.body, type=Account)

    async def _begin(self, entity: Entity) -> str:
        now_us = self._now_us()
        return await self._admit(SESSION, "session", entity.id, Ticket(), self._end_of(now_us, now_us))

    async def issue(self, owner: str, name: str, role: RoleName, expires_us: int) -> tuple[Credential, str]:
        """A new API token for this operator: what is listed of it, and the token, which is told once."""
        ticket = operator_ticket.issue(self._pepper, API_TOKEN)
        body = Ticket(role=role, name=name, shown=ticket[-SHOWN:])
        credential = self._credential(ticket, "api_token", owner, body, expires_us)
        await asyncio.to_thread(self.store.admit, credential)
        return credential, ticket

    async def _admit(self, form: str, kind: Via, owner: str, body: Ticket, expires_us: int) -> str:
        ticket = operator_ticket.issue(self._pepper, form)
        credential = self._credential(ticket, kind, owner, body, expires_us)
        await asyncio.to_thread(self.store.admit, credential)
        return ticket

    def _credential(self, ticket: str, kind: Via, owner: str, body: Ticket, expires_us: int) -> Credential:
        now_us = self._now_us()
        return Credential(
            digest=key_digest(self._pepper, ticket.encode()),
            id=new_id(),
            kind=kind,
            owner=owner,
            body=msgspec.Raw(msgspec.json.encode(body)),
            created_us=now_us,
            used_us=now_us,
            expires_us=expires_us,
        )

    async def end(self, caller: Caller) -> None:
        """Log out."""

        def both() -> None:
            self.store.revoke(credential_id=caller.ticket_id, kind="session")
            self.store.note(Change(actor=caller.actor, action="logout"), KIND, caller.operator_id, caller.name)

        await asyncio.to_thread(both)

    async def set_password(self, caller: Caller, current: str, new: str, source: str = "") -> str:
        """A new password; every session of the operator ends, and the one that is returned begins. Raises Refused,
        UnfitPassword, TooBusy."""
        entity, account = await asyncio.to_thread(self._account, caller.operator_id)
        self._try(entity.name, source)
        if not await self.passwords.verify(account.password, current):
            raise Refused("the current password is wrong")
        self.lockout.right(entity.name, source)
        if account.one_time and new == current:
            raise UnfitPassword("the new password is the one that somebody else knows")
        await self.put(entity, account, caller.actor, password=await self.passwords.hashed(new), one_time=False)
        return await self._begin(entity)

    async def put(
        self,
        entity: Entity,
        account: Account,
        actor: str,
        *,
        role: RoleName | None = None,
        enabled: bool | None = None,
        password: str | None = None,
        one_time: bool | None = None,
    ) -> Entity:
        """Change an operator: all sessions end, with ``enabled=False`` also API tokens. Raises Conflict, NotFound."""
        given = {"role": role, "enabled": enabled, "password": password, "one_time": one_time}
        new = msgspec.structs.replace(account, **{field: value for field, value in given.items() if value is not None})
        action = "password" if password is not None and role is None and enabled is None else "update"
        change = Change(actor=actor, action=action, before=shown(account), after=shown(new))

        def both() -> Entity:
            # Before and after: killed in between, no session outlives a new password, and none begins with the old one.
            self.store.revoke(owner=entity.id, kind="session")
            changed = self.store.update(KIND, entity.id, msgspec.json.encode(new), entity.version, change)
            self.store.revoke(owner=entity.id, kind="session")
            if not new.enabled:
                self.store.revoke(owner=entity.id)
            return changed

        return await asyncio.to_thread(both)

    async def delete(self, entity: Entity, account: Account, actor: str) -> None:
        """Raises Conflict, NotFound."""

        def both() -> None:
            change = Change(actor=actor, action="delete", before=shown(account))
            self.store.delete(KIND, entity.id, entity.version, change)
            self.store.revoke(owner=entity.id)

        await asyncio.to_thread(both)

    def get(self, operator_id: str) -> tuple[Entity, Account]:
        """Waits for the disk. Raises NotFound."""
        return self._account(operator_id)


def shown(account: Account) -> bytes:
    """For the audit."""
    said: dict[str, object] = {"role": account.role, "enabled": account.enabled}
    if account.one_time:
        said["one_time"] = True
    return msgspec.json.encode(said)
