"""What every configuration store does, whoever keeps the bytes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import msgspec
import pytest

from gateway.stores.database import Database
from gateway.stores.entities import Change, Credential, Entity, new_id
from gateway.stores.protocols import ConfigStore, Conflict, NameTaken, NotFound
from gateway.stores.sql_config import SqlConfigStore

BY_ANN = Change(actor="ann", action="create", after=b'{"budget":5}')
UNICODE = "Größe 量 \U0001f600 'quoted\" ; -- %s ? %"


def create(config: ConfigStore, name: str, body: bytes = b"{}", kind: str = "team") -> Entity:
    return config.create(kind, name, body, BY_ANN)


def names(config: ConfigStore, **query: object) -> list[str]:
    """Of all pages of teams."""
    found: list[str] = []
    after = None
    while True:
        page = config.page("team", after=after, **query)  # type: ignore[arg-type]
        found += [entity.name for entity in page.entities]
        after = page.next
        if after is None:
            return found


def test_an_entity_comes_back_as_it_was_given(config: ConfigStore) -> None:
    body = json.dumps({"text": UNICODE, "n": 2**53, "list": [1, None, True]}).encode()
    before = time.time_ns() // 1000
    made = create(config, UNICODE, body)
    assert (made.version, made.kind, made.name, bytes(made.body)) == (1, "team", UNICODE, body)
    assert before <= made.created_us == made.updated_us <= time.time_ns() // 1000
    assert config.get("team", made.id) == made
    assert config.by_name("team", UNICODE) == made


def test_an_id_may_be_made_before_its_entity(config: ConfigStore) -> None:
    entity_id = new_id()
    assert config.create("team", "t", b"{}", BY_ANN, entity_id=entity_id).id == entity_id
    with pytest.raises(NameTaken):
        config.create("team", "other", b"{}", BY_ANN, entity_id=entity_id)


def test_what_is_no_json_is_refused(config: ConfigStore) -> None:
    for body in (b"", b"{", b"\xff", b'{"a": NaN}'):
        with pytest.raises(ValueError):  # noqa: PT011 - its words are msgspec's
            create(config, "t", body)
    assert names(config) == []


def test_names_are_unique_within_a_kind(config: ConfigStore) -> None:
    create(config, "a")
    with pytest.raises(NameTaken, match="team called 'a'"):
        create(config, "a")
    other = create(config, "a", kind="customer")
    assert config.get("customer", other.id).name == "a"
    assert len(config.audit().rows) == 2


def test_what_is_not_there_is_said_to_be(config: ConfigStore) -> None:
    made = create(config, "a")
    for missing in (lambda: config.get("team", new_id()), lambda: config.get("customer", made.id)):
        with pytest.raises(NotFound):
            missing()
    with pytest.raises(NotFound):
        config.by_name("team", "A")
    with pytest.raises(NotFound):
        config.update("team", new_id(), b"{}", 1, BY_ANN)
    with pytest.raises(NotFound):
        config.delete("team", new_id(), 1, BY_ANN)


def test_a_change_needs_the_version_that_it_changes(config: ConfigStore) -> None:
    made = create(config, "a")
    changed = config.update("team", made.id, b'{"x":1}', 1, BY_ANN)
    assert (changed.version, changed.name, bytes(changed.body)) == (2, "a", b'{"x":1}')
    assert changed.created_us == made.created_us
    assert config.get("team", made.id) == changed
    for stale in (1, 3):
        with pytest.raises(Conflict) as caught:
            config.update("team", made.id, b"{}", stale, BY_ANN)
        assert caught.value.current == 2
        with pytest.raises(Conflict):
            config.delete("team", made.id, stale, BY_ANN)
    assert config.get("team", made.id) == changed
    config.delete("team", made.id, 2, BY_ANN)
    with pytest.raises(NotFound):
        config.get("team", made.id)


def test_what_is_known_by_its_name_never_has_a_version_twice(config: ConfigStore) -> None:
    seen = []
    for _ in range(3):
        made = config.create("setting", "retry", b"{}", BY_ANN, known_by_name=True)
        assert config.by_name("setting", "retry") == made
        changed = config.update("setting", made.id, b'{"x":1}', made.version, BY_ANN)
        seen += [made.version, changed.version]
        config.delete("setting", made.id, changed.version, BY_ANN)
    assert seen == sorted(set(seen))
    assert create(config, "a").version == 1


def test_an_entity_may_be_renamed_but_not_to_a_taken_name(config: ConfigStore) -> None:
    made, _ = create(config, "a"), create(config, "b")
    assert config.update("team", made.id, b"{}", 1, BY_ANN, name="c").name == "c"
    with pytest.raises(NameTaken):
        config.update("team", made.id, b"{}", 2, BY_ANN, name="b")
    assert config.by_name("team", "c").version == 2


def test_of_changes_at_once_one_is_made(open_control: Callable[[], Database]) -> None:
    """By several gateways where there is a server, else by several threads of one."""
    databases = (
        [open_control()] * 4 if "Sqlite" in type(open_control()).__name__ else [open_control() for _ in range(4)]
    )
    stores = [SqlConfigStore(database) for database in databases]
    made = create(stores[0], "a")
    outcomes: list[str] = []

    def change(store: ConfigStore) -> None:
        for version in range(1, 11):
            try:
                store.update("team", made.id, b"{}", version, BY_ANN)
                outcomes.append("changed")
            except Conflict:
                outcomes.append("conflict")

    threads = [threading.Thread(target=change, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].get("team", made.id).version == 1 + outcomes.count("changed")
    assert stores[0].revision() == 1 + outcomes.count("changed")
    assert outcomes.count("changed") >= 1
    assert len(outcomes) == 40


def test_pages_follow_each_other_by_name_and_by_id(config: ConfigStore) -> None:
    wanted = ["B", "_", "a", "ab", "b", "z", "ä", "量"]
    made = ["b", "量", "a", "_", "ä", "z", "ab", "B"]
    for name in made:
        create(config, name)
    create(config, "other kind", kind="customer")
    assert names(config, limit=3) == wanted
    assert names(config, limit=4) == wanted
    assert names(config, limit=100) == wanted
    assert names(config, order="id", limit=3) == made
    assert config.page("nothing").entities == []


def test_everything_is_seen_at_one_revision(config: ConfigStore) -> None:
    assert config.every(["team", "customer"]) == (0, [])
    made = [create(config, "a"), create(config, "b", kind="customer")]
    create(config, "c", kind="operator")
    assert config.every(["team", "customer"]) == (3, made)
    assert config.every([]) == (3, [])
    config.delete("team", made[0].id, 1, BY_ANN)
    assert config.every(["team"]) == (4, [])
    assert config.revision() == 4


def test_every_change_is_audited_and_no_other(config: ConfigStore) -> None:
    made = create(config, "a")
    with pytest.raises(Conflict):
        config.update("team", made.id, b"{}", 7, BY_ANN)
    change = Change(actor="bob", action="rename", before=b'{"budget":5}', after=b'{"budget":6}')
    config.update("team", made.id, b"{}", 1, change, name="b")
    config.note(Change(actor="bob", action="login"), "operator", "op-1", "bob")
    config.delete("team", made.id, 2, Change(actor="cli", action="delete", before=b"{}"))
    rows = config.audit().rows
    assert [(row.actor, row.action, row.kind, row.name) for row in rows] == [
        ("cli", "delete", "team", "b"),
        ("bob", "login", "operator", "bob"),
        ("bob", "rename", "team", "b"),
        ("ann", "create", "team", "a"),
    ]
    assert rows[2].before == msgspec.Raw(b'{"budget":5}')
    assert rows[2].after == msgspec.Raw(b'{"budget":6}')
    assert rows[1].before is rows[1].after is None
    assert [row.action for row in config.audit(entity_id=made.id).rows] == ["delete", "rename", "create"]
    since = rows[2].at_us
    assert config.audit(until_us=since).rows == rows[3:]
    assert len(config.audit(since_us=since).rows) == 3
    assert [row.action for row in config.audit(actor="bob").rows] == ["login", "rename"]
    assert [row.actor for row in config.audit(kind="team", action="delete").rows] == ["cli"]


def test_the_audit_has_pages(config: ConfigStore) -> None:
    for number in range(7):
        create(config, str(number))
    page = config.audit(limit=3)
    assert [row.name for row in page.rows] == ["6", "5", "4"]
    create(config, "later")
    page = config.audit(limit=3, after=page.next)
    assert [row.name for row in page.rows] == ["3", "2", "1"]
    page = config.audit(limit=3, after=page.next)
    assert ([row.name for row in page.rows], page.next) == (["0"], None)


def session(digest: bytes = b"d" * 32, **fields: object) -> Credential:
    now_us = time.time_ns() // 1000
    values = {"id": new_id(), "kind": "session", "owner": "ann", "created_us": now_us, "used_us": now_us}
    return Credential(digest=digest, **{"expires_us": now_us + 3_600_000_000, **values, **fields})  # type: ignore[arg-type]


def test_a_credential_is_known_by_its_digest_until_it_expires(config: ConfigStore) -> None:
    made = session(body=msgspec.Raw(b'{"role":"viewer"}'))
    config.admit(made)
    assert config.credential(made.digest) == made
    with pytest.raises(NotFound):
        config.credential(b"e" * 32)
    config.use(made.digest, made.expires_us + 5)
    used = config.credential(made.digest)
    assert used.used_us >= made.used_us
    assert used.expires_us == made.expires_us + 5
    config.use(made.digest, time.time_ns() // 1000 - 1)
    with pytest.raises(NotFound):
        config.credential(made.digest)
    assert config.credentials(kind="session") == []
    config.admit(session(b"n" * 32, expires_us=0))
    assert config.forget_expired() == 1
    assert config.credential(b"n" * 32).expires_us == 0


def test_a_digest_is_admitted_once(config: ConfigStore) -> None:
    made = session()
    config.admit(made)
    with pytest.raises(NameTaken):
        config.admit(session())
    with pytest.raises(NameTaken):
        config.admit(session(b"x" * 32, id=made.id))


def test_credentials_are_listed_and_revoked(config: ConfigStore) -> None:
    first, second = session(b"1" * 32), session(b"2" * 32, owner="bob")
    token = session(b"3" * 32, kind="api_token", expires_us=0)
    for credential in (first, second, token):
        config.admit(credential)
    assert config.credentials(kind="session") == [first, second]
    assert config.credentials(kind="session", owner="bob") == [second]
    assert config.revoke(credential_id=second.id) == 1
    assert config.revoke(credential_id=second.id) == 0
    assert config.revoke(owner="ann", kind="session") == 1
    assert config.credentials(kind="api_token") == [token]
    assert config.revoke(owner="ann") == 1
    with pytest.raises(ValueError, match="revoke what"):
        config.revoke()
