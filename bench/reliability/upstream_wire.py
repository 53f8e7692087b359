"""What providers do wrong on the wire, and names and certificates that are not what they should be."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.reliability.asking import ask_all, chat, routed, running, statuses
from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded
from bench.reliability.provider import Manner, Providers
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, http

FAULTS = "tests/live/test_upstream_faults.py"
RESPONSES = "tests/corpus/test_http_responses.py"
SLOW = "tests/corpus/test_slow.py"
BOUNDS = "tests/live/test_bounds.py"
NEEDS_CORPUS = "Needs the corpus of hostile answers (`MICROGATE_CORPUS`)."
REDIRECTS = (301, 302, 303, 307, 308)
TTL_S = 30.0


@figure("B2", guard=FAULTS)
def stale_connections(quick: bool) -> Outcome:
    return guarded(
        f"{FAULTS}::test_idle_connections_closed_at_random_cost_no_request",
        f"{FAULTS}::test_a_fresh_connection_that_dies_is_not_asked_again",
        quick=quick,
    )


@figure("B3", guard=FAULTS)
def cut_answers(quick: bool) -> Outcome:
    return guarded(f"{FAULTS}::test_nothing_is_asked_again_once_the_caller_has_a_byte", quick=quick)


@figure("B13", guard=RESPONSES)
def hostile_answers(quick: bool) -> Outcome:
    return guarded(RESPONSES, quick=quick, note=NEEDS_CORPUS)


@figure("B14", guard=FAULTS)
def unsolicited_answers(quick: bool) -> Outcome:
    return guarded(f"{FAULTS}::test_unsolicited_bytes_never_become_an_answer", quick=quick)


@figure("B15", guard=FAULTS)
def identity_of_connections(quick: bool) -> Outcome:
    return guarded(
        f"{FAULTS}::test_a_connection_serves_one_provider_only",
        f"{FAULTS}::test_names_of_certificates_share_no_connection",
        "tests/upstream/test_dial.py::test_everything_that_distinguishes_connections_distinguishes_origins",
        quick=quick,
    )


@figure("B16", guard=FAULTS)
def certificates(quick: bool) -> Outcome:
    return guarded(
        f"{FAULTS}::test_an_unproven_provider_gets_no_byte_of_a_request", "tests/upstream/test_tls.py", quick=quick
    )


@figure("B19", guard="tests/upstream/test_dns.py")
def names(quick: bool) -> Outcome:
    """A name that moves from one address to another, and whose lookup then fails; each request needs a connection."""

    def script(received: Received) -> list[Step]:
        return [http(CHAT, fields=["Connection: close"]), Act.CLOSE]

    values: dict[str, Any] = {}
    with (
        tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts,
        Upstream(script, host="127.0.0.2") as old,
        Upstream(script, host="127.0.0.3", port=old.port) as new,
        Providers(a=Manner()) as providers,
    ):

        def tell(address: str) -> None:
            Path(hosts.name).write_text(f"127.0.0.1 localhost\n{address} provider.test\n" if address else "\n")

        tell("127.0.0.2")
        config = routed(providers, {"targets": ["a/m"]})
        config["providers"]["a"]["base_url"] = f"http://provider.test:{old.port}/v1"
        mounted = f'mount --bind {hosts.name} /etc/hosts && exec "$@"'
        with running(config, launcher=["unshare", "--mount", "sh", "-c", mounted, "sh"]) as gateway:
            told = ask_all(gateway, [chat()] * 20)
            tell("")
            began = time.monotonic()
            while time.monotonic() - began < (3 if quick else 45):
                told += ask_all(gateway, [chat()])
                time.sleep(0.05)
            values["name unknown for, s"] = round(time.monotonic() - began)
            values["requests meanwhile, failed"] = f"{len(told)}, {sum(one.answer.status != 200 for one in told)}"
            tell("127.0.0.3")
            began = time.monotonic()
            while not new.requests and time.monotonic() - began < 2 * TTL_S:
                told += ask_all(gateway, [chat()])
                time.sleep(0.05)
            values["new address used after, s"] = round(time.monotonic() - began, 1)
    kept = statuses(told).keys() == {200} and values["new address used after, s"] <= TTL_S
    return Outcome(values, kept, "Names from /etc/hosts; a connection that is in use is kept, whatever its name says.")


@figure("B20", guard=FAULTS)
def redirects(quick: bool) -> Outcome:
    """To another port, to the same provider, to the address of clouds' metadata."""
    count = 0
    seen: Counter[int] = Counter()
    with Upstream() as elsewhere, Providers(a=Manner()) as providers:
        places = (elsewhere.url, "http://169.254.169.254/latest/meta-data/", "/v1/chat/completions", "//localhost/")

        def script(received: Received) -> list[Step]:
            status, place = received.json()["user"].split(" ")
            return [http(b"", int(status), fields=[f"Location: {places[int(place)]}"])]

        with Upstream(script) as upstream:
            config = routed(providers, {"targets": ["a/m"]}, retry={"attempts": 1})
            config["providers"]["a"]["base_url"] = upstream.url
            config["health"] = {"consecutive": 1000, "throttle": False}
            with running(config) as gateway:
                raws = [
                    chat(user=f"{status} {place}", stream=stream)
                    for status in REDIRECTS
                    for place in range(len(places))
                    for stream in (False, True)
                ]
                count = len(raws)
                seen.update(statuses(ask_all(gateway, raws)))
        values = {
            "redirects": count,
            "answered": str(dict(seen)).strip("{}"),
            "requests of the provider": upstream.served,
            "connections where they lead": len(elsewhere.visits),
        }
    return Outcome(values, seen == {502: count} and upstream.served == count and not elsewhere.visits)


@figure("B21", guard=SLOW)
def early_and_slow(quick: bool) -> Outcome:
    return guarded(
        f"{RESPONSES}::test_every_row_has_its_verdict_and_poisons_nothing",
        f"{SLOW}::test_a_provider_that_reads_slowly_costs_little",
        f"{SLOW}::test_a_provider_that_does_not_answer_is_504",
        quick=quick,
        note=NEEDS_CORPUS,
    )


@figure("B22", guard=BOUNDS)
def endless_answers(quick: bool) -> Outcome:
    """JSON answers that never end, or say that they are too long, twenty at a time."""
    callers, bound = 20, 8 << 20
    endless: list[Step] = [chunked_head("application/json"), chunk(b'{"choices":["')]
    endless += [chunk(b"x" * 65_536), 0.0005] * 4000

    def script(received: Received) -> list[Step]:
        if received.json()["user"] == "declared":
            return [
                http(b'{"choices":[', fields=["Content-Length: 1000000000"]).replace(b"Content-Length: 12\r\n", b"")
            ]
        return endless

    values: dict[str, Any] = {"bound of an answer, MiB": bound >> 20}
    kept = True
    with Upstream(script, keep=False) as upstream, Providers(a=Manner()) as providers:
        server = {"limits": {"response_json_bytes": bound}}
        config = routed(providers, {"targets": ["a/m"]}, retry={"attempts": 1}, server=server)
        config["providers"]["a"]["base_url"] = upstream.url
        config["health"] = {"consecutive": 1000, "throttle": False}
        with running(config) as gateway:
            ask_all(gateway, [chat(model="nothing")] * 50)
            before = gateway.rss_bytes()
            for kind in ("declared", "endless"):
                told = []
                for _ in range(1 if quick else 5):
                    told += ask_all(gateway, [chat(user=kind)] * callers, at_once=callers)
                    most = gateway.rss_bytes() - before
                longest = max(len(one.answer.body) for one in told)
                values[f"{kind}: answered"] = str(statuses(told)).strip("{}")
                values[f"{kind}: whole"] = sum(one.answer.complete for one in told)
                values[f"{kind}: passed on at most, bytes"] = longest
                values[f"{kind}: more memory afterwards, MiB"] = round(most / (1 << 20), 1)
                kept &= longest <= bound and most <= 64 << 20
                kept &= statuses(told) == ({502: len(told)} if kind == "declared" else {200: len(told)})
                kept &= kind == "declared" or not values["endless: whole"]
    note = "What is longer than 256 KiB is passed on as it comes, so that an endless one has begun: it is cut, not 502."
    return Outcome(values, kept, note)
