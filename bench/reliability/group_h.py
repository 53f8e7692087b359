"""Secrets and authorisation: what timings tell, how fast a revocation is, what guessing passwords costs."""

from __future__ import annotations

import json
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.reliability.figures import Outcome, figure
from bench.reliability.group_c import percentile
from bench.reliability.guards import guarded
from bench.reliability.instance import Instance, instance, wait_until
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import KeyRow, KeyTable
from gateway.virtual_key import generate

T_BOUND = 4.5
"""Above it two sets of timings are told apart (the bound of dudect, Reparaz and others 2017)."""
BLOCK = 1000
"""Timings that are compared with each other."""


def _wrong(key: str, where: str) -> bytes:
    """``key`` with another first, or last, character."""
    other = random.choice("bcdefghijk").replace(key[-1], "a")
    return (other + key[1:] if where == "first" else key[:-1] + other).encode()


def _by_name(names: Sequence[str], taken: Sequence[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"first": [], "last": []}
    for name, value in zip(names, taken, strict=True):
        found[name].append(value)
    return found


@figure("H4", guard="tests/live/test_keys.py")
def timings(quick: bool) -> Outcome:
    """Look-ups of a key that is wrong in its first, and of one that is wrong in its last character, in turns."""
    count = 20_000 if quick else 100_000
    pepper = secrets.token_bytes(32)
    # Of many keys, since where a digest stands in the table takes a time of its own.
    known = [generate() for _ in range(1000)]
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as place:
        rows = [KeyRow(key_digest(pepper, key.encode()), number + 1) for number, key in enumerate(known)]
        table = KeyTable.build(str(Path(place) / "keys"), rows)
        names = ["first", "last"] * count
        random.shuffle(names)
        # Made before, so that nothing but the look-up lies between two looks at the clock.
        presented = [_wrong(random.choice(known), name) for name in names]
        taken = []
        for key in presented:
            began = time.perf_counter_ns()
            found = table.find(key_digest(pepper, key))
            taken.append(time.perf_counter_ns() - began)
            assert found < 0
        table.close()
    # What else the machine does comes and goes: both are compared within a short time each, by their medians.
    differences = []
    for at in range(0, len(names), BLOCK):
        of = _by_name(names[at : at + BLOCK], taken[at : at + BLOCK])
        differences.append(statistics.median(of["first"]) - statistics.median(of["last"]))
    t = abs(statistics.fmean(differences)) / (statistics.stdev(differences) / len(differences) ** 0.5)
    medians = {name: statistics.median(values) for name, values in _by_name(names, taken).items()}
    values = {
        "timings of each": count,
        "median, ns, wrong first, wrong last": f"{medians['first']:.0f}, {medians['last']:.0f}",
        "t": round(t, 2),
    }
    return Outcome(values, t < T_BOUND)


class _Admin:
    """The admin API of an instance."""

    def __init__(self, gateway: Instance) -> None:
        self._url = f"http://127.0.0.1:{gateway.port}"
        self._token = (Path(gateway.paths.data_dir) / "admin.token").read_text().strip()

    def ask(self, method: str, path: str, body: object = None, **fields: str) -> tuple[int, Any]:
        """Status and what was answered."""
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json", **fields}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                text = answer.read()
                return int(answer.status), json.loads(text) if text else None
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def session(self, name: str, password: str) -> str:
        """A cookie; empty when the door says to come later."""
        body = json.dumps({"name": name, "password": password}).encode()
        asked = urllib.request.Request(self._url + "/api/login", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return str(answer.headers["set-cookie"]).partition(";")[0]
        except urllib.error.HTTPError as refused:
            if refused.code not in (429, 503):
                raise
            return ""


class _Watch:
    """Asks with one key, over fresh connections that reach every worker, and notes when it was let in last."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self.last_s = 0.0
        self.count = 0
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            if self._ask() == 200:
                self.last_s = max(self.last_s, began)
            self.count += 1

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@figure("H7", guard="tests/live/test_virtual_keys_api.py")
def revocation(quick: bool) -> Outcome:
    """Keys are removed through the API, and come to their end, while they are in use at every worker."""
    rounds = 3 if quick else 20
    from_call, from_answer = [], []
    with instance(workers=2) as gateway:
        admin = _Admin(gateway)
        wait_until(lambda: admin.ask("GET", "/api/virtual-keys")[0] == 200, "the database", 60)
        for number in range(rounds):
            _, made = admin.ask("POST", "/api/virtual-keys", {"name": f"k{number}", "spec": {}})
            request = gateway.request(made["key"])
            watch = _Watch(lambda asked=request: _status(gateway.port, asked))  # type: ignore[misc] # bound on purpose
            time.sleep(1)
            began = time.monotonic()
            status, _ = admin.ask("DELETE", f"/api/virtual-keys/{made['id']}", **{"if-match": '"1"'})
            answered = time.monotonic()
            time.sleep(1.5)
            watch.end()
            assert status == 204
            assert watch.last_s > 0
            from_call.append(watch.last_s - began)
            from_answer.append(watch.last_s - answered)
        ends = [_after_its_end(gateway, admin, number) for number in range(rounds)]
    values = {
        "revocations": rounds,
        "let in last, s after the call, slowest": round(max(from_call), 3),
        "let in after the answer": sum(each > 0 for each in from_answer),
        "keys that came to their end": rounds,
        "let in last, s after it, slowest": round(max(ends), 3),
    }
    return Outcome(values, max(from_call) <= 1 and not values["let in after the answer"] and max(ends) <= 0)


def _after_its_end(gateway: Instance, admin: _Admin, number: int) -> float:
    """When a request was begun last that was let in, in seconds after the second in which the key ends."""
    ends_at = int(time.time()) + 3
    _, made = admin.ask("POST", "/api/virtual-keys", {"name": f"e{number}", "spec": {"expires": ends_at}})
    to_monotonic = time.monotonic() - time.time()
    watch = _Watch(lambda: _status(gateway.port, gateway.request(made["key"])))
    time.sleep(ends_at + 1.5 - time.time())
    watch.end()
    assert watch.last_s > 0
    return watch.last_s - to_monotonic - ends_at


@figure("H16", guard="tests/operators/test_accounts.py")
def sessions(quick: bool) -> Outcome:
    """Sessions end in each of the ways there are while they are used at every worker. How long they last unused and at
    most is counted by a clock that is set, in the guarding test."""
    rounds = 1 if quick else 5
    late: dict[str, float] = {}
    with instance(workers=2) as gateway:
        admin = _Admin(gateway)
        wait_until(lambda: admin.ask("GET", "/api/operators")[0] == 200, "the database", 60)
        for number in range(rounds):
            for how in ("logout", "password", "role", "switched off", "removed"):
                since = _still_in(gateway, admin, how, f"{how.replace(' ', '-')}{number}")
                late[how] = max(late.get(how, -1e9), since)
    slowest = max(late.values())
    values = {
        "sessions ended by logout, password, role, switching off, removal": 5 * rounds,
        "let in last, s after the call, slowest": round(slowest, 3),
    }
    clock = guarded("tests/operators/test_accounts.py", "tests/control/test_operators.py", quick=quick)
    return Outcome({**values, **clock.values}, slowest <= 1 and clock.kept)


PASSWORD = "correct horse battery"


def _still_in(gateway: Instance, admin: _Admin, how: str, name: str) -> float:
    """When the session was let in last, in seconds after the call that ended it."""
    status, made = admin.ask("POST", "/api/operators", {"name": name, "role": "viewer", "password": PASSWORD})
    assert status == 201, made
    cookie = ""
    while not cookie:
        # A worker lets one address try ten times, and then once a second.
        cookie = admin.session(name, PASSWORD)
        time.sleep(0 if cookie else 1)
    fields = f"Host: localhost\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin"
    asked = f"GET /api/me HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n".encode()
    watch = _Watch(lambda: _status(gateway.port, asked))
    time.sleep(0.5)
    began = time.monotonic()
    path, version = f"/api/operators/{made['id']}", {"if-match": '"1"'}
    match how:
        case "logout":
            head = f"POST /api/logout HTTP/1.1\r\n{fields}\r\nContent-Length: 0\r\n\r\n"
            status = _status(gateway.port, head.encode())
        case "removed":
            status, _ = admin.ask("DELETE", path, **version)
        case _:
            change = {"password": {"password": PASSWORD + "!"}, "role": {"role": "operator"}}
            status, _ = admin.ask("PATCH", path, change.get(how, {"enabled": False}), **version)
    assert status in (200, 204), (how, status)
    time.sleep(1.5)
    watch.end()
    assert watch.last_s > 0
    return watch.last_s - began


def _status(port: int, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        head = connection.recv(64)
    return int(head.split(b" ")[1]) if head.startswith(b"HTTP/1.1 ") else 0


GUESS = """
import json, sys, threading, time, urllib.error, urllib.request
from collections import Counter
url, seconds = sys.argv[1], float(sys.argv[2])
statuses, end = Counter(), time.monotonic() + seconds
def guess(number):
    due, tries = time.monotonic(), 0
    while due < end:
        due, tries = due + 0.1, tries + 1
        time.sleep(max(0.0, due - time.monotonic()))
        body = json.dumps({"name": f"n{number}-{tries}", "password": "wrong password"}).encode()
        source = f"198.51.{number}.{tries % 250}"
        headers = {"content-type": "application/json", "x-forwarded-for": source}
        asked = urllib.request.Request(url, body, headers)
        try:
            urllib.request.urlopen(asked, timeout=30).read()
        except urllib.error.HTTPError as refused:
            statuses[refused.code] += 1
threads = [threading.Thread(target=guess, args=(number,)) for number in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(dict(sorted(statuses.items()))))
"""


@figure("H15", guard="tests/control/test_operators.py")
def guessing(quick: bool) -> Outcome:
    """A hundred logins a second with wrong passwords, each under another name from another address, beside ordinary
    requests; then one name from one address."""
    seconds = 4.0 if quick else 20.0
    with instance(workers=1) as gateway:
        admin = _Admin(gateway)
        wait_until(lambda: admin.ask("GET", "/api/operators")[0] == 200, "the database", 60)
        gateway.reconfigure(lambda config: config.setdefault("server", {}).update(trusted_proxies=["127.0.0.1"]))
        calm = _latencies(gateway, seconds)
        # A process of its own: guessing must not take the time of who measures.
        command = [sys.executable, "-c", GUESS, f"http://127.0.0.1:{gateway.port}/api/login", str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as guesser:
            loud = _latencies(gateway, seconds)
            said, _ = guesser.communicate(timeout=60)
        # What a worker passes on of logins is full of those.
        time.sleep(6)
        tried = {"name": "one", "password": "wrong password"}
        told = [admin.ask("POST", "/api/login", tried, **{"x-forwarded-for": "192.0.2.1"})[0] for _ in range(6)]
    statuses: dict[str, int] = json.loads(said)
    before, during = (percentile(each, 0.99) for each in (calm, loud))
    values = {
        "logins a second": round(sum(statuses.values()) / seconds),
        "answers": statuses,
        "p99 of requests, ms, without and with": f"{before * 1e3:.2f}, {during * 1e3:.2f}",
        "six wrong passwords of one name": told,
    }
    return Outcome(values, during <= 1.1 * before and told == [401] * 5 + [429])


def _latencies(gateway: Instance, seconds: float) -> list[float]:
    """Of requests one after another, 200 a second at most."""
    found = []
    end = time.monotonic() + seconds
    request = gateway.request()
    while time.monotonic() < end:
        began = time.monotonic()
        assert _status(gateway.port, request) == 200
        found.append(time.monotonic() - began)
        time.sleep(0.005)
    return found
