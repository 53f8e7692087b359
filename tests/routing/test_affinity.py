"""Which key is asked for a prompt that was sent before in part: the longest warm prefix, within reason."""

from __future__ import annotations

import json
import os
import random
import struct
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _speedups import _affinity as chosen
from gateway.routing.affinity import affinity_of, provide, seed_of, table_name
from tests.routing.conftest import AFFINITIES

S = 1_000_000_000
START = 1000 * S
ALL = 0xFF


def chain(*digests: int) -> bytes:
    return struct.pack(f"={len(digests)}Q", *digests)


def text(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


# --- digests


def test_equal_prefixes_have_equal_digests_and_no_others(affinity: ModuleType) -> None:
    begin = text(1, 10_000)
    one = affinity.digests(begin + text(2, 10_000), 0, 20_000)
    two = affinity.digests(begin + text(3, 10_000), 0, 20_000)
    assert len(one) == len(two) == 8 * 17, "16 KiB by the KiB, then a block of 2 KiB"
    same = [one[at : at + 8] == two[at : at + 8] for at in range(0, len(one), 8)]
    assert same == [True] * 9 + [False] * 8
    assert len({one[at : at + 8] for at in range(0, len(one), 8)}) == 17


@pytest.mark.parametrize("at", [0, 7, 8, 63, 64, 500, 1023])
def test_every_byte_counts(affinity: ModuleType, at: int) -> None:
    body = bytearray(text(4, 1024))
    before = affinity.digests(bytes(body), 0, 1024)
    body[at] ^= 1
    assert affinity.digests(bytes(body), 0, 1024) != before


def test_blocks_of_the_same_text_in_another_order_differ(affinity: ModuleType) -> None:
    one, two = text(5, 1024), text(6, 1024)
    assert affinity.digests(one + two, 0, 2048)[8:] != affinity.digests(two + one, 0, 2048)[8:]


def test_the_seed_keeps_models_apart(affinity: ModuleType) -> None:
    body = text(7, 1024)
    assert affinity.digests(body, 0, 1024, 1) != affinity.digests(body, 0, 1024, 2)
    assert affinity.digests(body, 0, 1024, 1) == affinity.digests(body, 0, 1024, 1)


def test_only_what_lies_between_the_offsets_counts(affinity: ModuleType) -> None:
    body = text(8, 3000)
    assert affinity.digests(body, 100, 2500) == affinity.digests(body[100:2500], 0, 2400)
    assert len(affinity.digests(body, 0, 1023)) == 0
    assert len(affinity.digests(body, -5, 10**9)) == 8 * 2


def test_chains_are_short_whatever_the_body(affinity: ModuleType) -> None:
    assert len(affinity.digests(bytes(5 << 20), 0, 5 << 20)) == 8 * 64


@given(body=st.binary(max_size=5000), start=st.integers(-10, 6000), end=st.integers(-10, 6000))
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("twin", AFFINITIES)
def test_any_bytes_have_a_chain(twin: str, body: bytes, start: int, end: int) -> None:
    module = AFFINITIES[twin]
    found = module.digests(body, start, end)
    assert len(found) == 8 * (max(0, min(end, len(body)) - max(0, start)) // 1024)
    assert found == module.digests(body, start, end)


# --- choice


def test_the_longest_warm_prefix_wins(affinity: ModuleType) -> None:
    table = affinity.Affinity(8)
    table.used(chain(1, 2), 3, 0, START)
    table.used(chain(1, 2, 3, 4), 5, 0, START)
    table.used(chain(1), 6, 0, START)
    assert table.choose(chain(1, 2, 3, 4, 9), ALL, START) == 5
    assert table.choose(chain(1, 2, 3, 4, 9), ALL & ~(1 << 5), START) == 3
    assert table.choose(chain(1, 2, 3, 4, 9), 1 << 6 | 1 << 7, START) == 6
    assert [table.warm(chain(1, 2, 3, 4, 9), key, START) for key in (3, 5, 6, 7)] == [2, 4, 1, 0]


def test_the_time_to_live_slides(affinity: ModuleType) -> None:
    table = affinity.Affinity(8, 300 * S)
    table.used(chain(1, 2), 3, 0, START)
    assert table.warm(chain(1, 2), 3, START + 299 * S) == 2
    assert table.warm(chain(1, 2), 3, START + 301 * S) == 0
    table.used(chain(1), 3, 0, START + 200 * S)
    assert table.warm(chain(1, 2), 3, START + 400 * S) == 1, "what was not used again is cold"


def test_no_opinion_about_what_is_too_short_or_cannot_be_sent(affinity: ModuleType) -> None:
    table = affinity.Affinity(4, weights=[1, 1, 0, 0])
    assert table.choose(b"", ALL, START) == -1
    assert table.choose(b"1234567", ALL, START) == -1
    assert table.choose(chain(1), 0, START) == -1
    assert table.choose(chain(1), 0b1100, START) == -1, "keys without weight are the last resort of whoever draws"
    assert table.choose(chain(1), 0b1110, START) == 1
    assert table.choose(chain(1), 0xFF0, START) == -1, "bits of keys that do not exist"


def test_a_busy_key_spills_over_and_the_other_becomes_warm(affinity: ModuleType) -> None:
    table = affinity.Affinity(8, spill=1.0)
    table.used(chain(1, 2), 0, 1000, START)
    for key in range(1, 8):
        table.used(chain(100 + key), key, 1000, START)
    sent = []
    for _ in range(40):
        key = table.choose(chain(1, 2), ALL, START)
        table.used(chain(1, 2), key, 1000, START)
        sent.append(key)
    assert sent[0] == 0
    assert len(set(sent)) > 1
    counts = Counter(sent)
    assert counts[0] < 12, "by the mean load busier than the least busy, and no more"
    assert all(table.warm(chain(1, 2), key, START) == 2 for key in sent[-3:])


def test_without_spill_over_prefixes_do_not_count(affinity: ModuleType) -> None:
    table = affinity.Affinity(2, spill=0.0)
    table.used(chain(1), 0, 10, START)
    assert table.choose(chain(1), 0b11, START) == 1


def test_load_fades(affinity: ModuleType) -> None:
    table = affinity.Affinity(2, spill=1.0, load_ns=45 * S)
    table.used(chain(1), 0, 100_000, START)
    table.used(chain(2), 1, 10_000, START)
    assert table.choose(chain(9), 0b11, START) == 1
    table.used(chain(3), 1, 20_000, START + 200 * S)
    assert table.choose(chain(9), 0b11, START + 200 * S) == 0, "100,000 tokens of 200 s ago are less than 5,000 now"


def test_keys_of_twice_the_weight_take_twice_the_load(affinity: ModuleType) -> None:
    table = affinity.Affinity(3, weights=[1, 1, 2])
    counts: Counter[int] = Counter()
    for number in range(4000):
        key = table.choose(chain(1000 + number), 0b111, START)
        table.used(chain(1000 + number), key, 100, START)
        counts[key] += 1
    assert abs(counts[2] - 2000) < 20
    assert abs(counts[0] - 1000) < 20


# --- agreement


def test_workers_that_never_met_agree_where_a_new_prefix_belongs(affinity: ModuleType) -> None:
    """Also when they loaded their keys differently, and know the prompt's common beginning from different ones."""
    workers = [affinity.Affinity(8, agreement=1.5) for _ in range(4)]
    for number, worker in enumerate(workers):
        for key in range(8):
            worker.used(chain(7), key, 1000 + 10 * (number + key) % 50, START)
    homes = [[worker.choose(chain(7, fresh), ALL, START) for fresh in range(100, 200)] for worker in workers]
    assert homes[0] == homes[1] == homes[2] == homes[3]
    assert min(Counter(homes[0]).values()) > 0
    assert len(set(homes[0])) == 8


def test_keys_in_another_order_are_found_by_their_identity(affinity: ModuleType) -> None:
    names = [11, 22, 33, 44, 55]
    one, two = affinity.Affinity(5, identities=names), affinity.Affinity(5, identities=names[::-1])
    for digest in range(1, 50):
        assert one.choose(chain(digest), ALL, START) == 4 - two.choose(chain(digest), ALL, START)


def test_one_memory_serves_several_workers(affinity: ModuleType) -> None:
    memory = bytearray(affinity.memory_bytes(1024))
    one, two = (affinity.Affinity(4, entries=1024, memory=memory) for _ in range(2))
    one.used(chain(1, 2, 3), 2, 500, START)
    assert two.warm(chain(1, 2, 3), 2, START) == 3
    two.used(chain(5), 2, 500, START)
    for key in (0, 1):
        one.used(chain(50 + key), key, 700, START)
    assert one.choose(chain(9), 0b111, START) != 2, "it was given 1,000 tokens in all"


# --- bounds


def test_a_million_prefixes_fit_into_the_memory_of_a_thousand(affinity: ModuleType) -> None:
    million = 1_000_000 if affinity is AFFINITIES.get("c") else 20_000
    memory = bytearray(affinity.memory_bytes(1024))
    guard = bytes(memory)
    table = affinity.Affinity(8, entries=1024, memory=memory)
    draw = random.Random(1)
    for number in range(million // 50):
        table.used(draw.randbytes(400), number % 8, 100, START + number)
    assert len(memory) == len(guard) == 512 + 1024 * 32
    last = draw.randbytes(80)
    table.used(last, 3, 100, START + 10 * S)
    assert table.warm(last, 3, START + 10 * S) == 10


def test_what_was_used_longest_ago_is_forgotten_first(affinity: ModuleType) -> None:
    table = affinity.Affinity(2, entries=4)
    for at, digest in enumerate((11, 12, 13, 14)):
        table.used(chain(digest), 0, 0, START + at * S)
    table.used(chain(11), 0, 0, START + 10 * S)
    table.used(chain(15), 0, 0, START + 11 * S)
    assert [table.warm(chain(d), 0, START + 11 * S) for d in (11, 12, 13, 14, 15)] == [1, 0, 1, 1, 1]


def test_a_prefix_remembers_the_last_six_keys(affinity: ModuleType) -> None:
    table = affinity.Affinity(8)
    for key in range(8):
        table.used(chain(1), key, 0, START + key * S)
    assert [table.warm(chain(1), key, START + 8 * S) for key in range(8)] == [0, 0, 1, 1, 1, 1, 1, 1]


def test_what_cannot_be_is_refused(affinity: ModuleType) -> None:
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((65,), {}), ((-1,), {}), ((2, 0), {}), ((2, 1 << 60), {}), ((2,), {"weights": [1]}),
        ((2,), {"weights": [1, -1]}), ((2,), {"identities": [1]}), ((2,), {"spill": -1.0}),
        ((2,), {"agreement": -1.0}), ((2,), {"entries": 0}), ((2,), {"load_ns": 0}),
        ((2,), {"memory": bytearray(100)}), ((2,), {"memory": bytes(10_000_000)}),
    ]  # fmt: skip
    for given_, named in wrong:
        with pytest.raises(ValueError, match=r"must|keys, got|one weight"):
            affinity.Affinity(*given_, **named)
    table = affinity.Affinity(2)
    for key in (-1, 2):
        with pytest.raises(IndexError):
            table.used(chain(1), key, 0, START)
        with pytest.raises(IndexError):
            table.warm(chain(1), key, START)


step = st.tuples(
    st.lists(st.integers(0, 40), max_size=8), st.integers(0, 2**64 - 1), st.integers(-10, 2**50),
    st.integers(0, 10 * S), st.booleans(),
)  # fmt: skip


@given(steps=st.lists(step, max_size=60), spill=st.floats(0, 4), agreement=st.floats(0, 2), tail=st.binary(max_size=7))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("entries", [4, 64])
def test_never_a_key_outside_the_mask_and_both_builds_the_same(
    entries: int, steps: list[Any], spill: float, agreement: float, tail: bytes
) -> None:
    """The same choices and the same bytes in memory, over any history."""
    memories = {twin: bytearray(module.memory_bytes(entries)) for twin, module in AFFINITIES.items()}
    weights = [0, 1, 2, 3, 5]
    tables = {
        twin: module.Affinity(
            5, weights=weights, entries=entries, spill=spill, agreement=agreement, memory=memories[twin]
        )
        for twin, module in AFFINITIES.items()
    }
    now_ns = START
    for digests, mask, tokens, passed, pause in steps:
        now_ns += passed * (40 if pause else 1)
        prompt = chain(*(digest * 0x9E3779B97F4A7C15 & (1 << 64) - 1 for digest in digests)) + tail
        keys = {table.choose(prompt, mask, now_ns) for table in tables.values()}
        assert len(keys) == 1, "the twins differ"
        (key,) = keys
        assert key == -1 or (mask >> key & 1 and weights[key])
        if key >= 0:
            for table in tables.values():
                table.used(prompt, key, tokens, now_ns)
                assert table.warm(prompt, key, now_ns) == len(digests)
    assert len({bytes(memory) for memory in memories.values()}) == 1


# --- bodies and shared memory


# --- the prompt


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m","messages":[1]}', b"[1]"),
        (
            b'{"messages":[1, "}"] ,"model":"m", "system" : "be\\"," ,"tools":[{"a":[]}]}',
            b'[{"a":[]}]"be\\"," [1, "}"] ',
        ),
        (b'{"tools":[2],"system":[3],"messages":[1]}', b"[2][3][1]"),
        (b'{"contents":[1],"systemInstruction":{"a":{}},"generationConfig":{"system":5}}', b'{"a":{}}[1]'),
        (b'{"toolConfig":{"tools":[9]},"messages":[]}', b'{"tools":[9]}[]'),
        (b'{"input":"x","instructions":null}', b'null"x"'),
        (b'{"prompt":"a","prompt":"b"}', b'"b"'),
        (b'{"model":"messages","n":[{"messages":[1]}],"s":"\\"messages\\":1"}', b""),
        (b' \n{"prompt"\t:\r 7}\n', b"7"),
        (b'{"messages":[{"a":"\\\\"},1]}', b'[{"a":"\\\\"},1]'),
        (b"", b""),
        (b"{", b""),
        (b'{"', b""),
        (b'{"messages', b""),
        (b'{"messages"', b""),
        (b'{"messages":', b""),
        (b'{"messages":["a\\', b'["a\\'),
        (b'["messages"]', b""),
        (b'"messages":1', b""),
    ],
)
def test_the_prompt_in_the_order_of_the_provider(affinity: ModuleType, body: bytes, expected: bytes) -> None:
    assert affinity.prompt(body) == expected


def test_a_prompt_is_read_for_a_mebibyte(affinity: ModuleType) -> None:
    body = json.dumps({"messages": "m" * 2_000_000, "tools": "t" * 100, "system": "s" * 1_500_000}).encode()
    said = affinity.prompt(body)
    assert len(said) == affinity.PROMPT_BYTES
    assert said.startswith(b'"' + b"t" * 100 + b'"' + b'"sss')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
PARTS = (("tools", "toolConfig"), ("system", "systemInstruction"), ("messages", "input", "contents"))


@given(members=st.dictionaries(st.sampled_from([name for part in PARTS for name in part]) | st.text(), JSON))
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("twin", AFFINITIES)
def test_any_body_is_read_as_json_reads_it(twin: str, members: dict[str, Any]) -> None:
    expected = b""
    for part in PARTS:
        said = [json.dumps(value).encode() for name, value in members.items() if name in part]
        expected += said[-1] if said else b""
    others = {name: value for name, value in members.items() if name not in ("instructions", "prompt")}
    assert AFFINITIES[twin].prompt(json.dumps(others).encode()) == expected


@given(
    body=st.binary(max_size=200)
    | st.lists(
        st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"messages", b"tools", b'"system":'])
    ).map(b"".join)
)
@settings(max_examples=1000, deadline=None)
def test_whatever_the_bytes_both_builds_read_the_same(body: bytes) -> None:
    assert len({module.prompt(body) for module in AFFINITIES.values()}) == 1
    assert len({module.prompt(b"{" + body) for module in AFFINITIES.values()}) == 1


def test_what_stands_around_the_prompt_makes_no_difference() -> None:
    said = [b'{"temperature":%d,"messages":["%b"],"stream":%d}' % (n, text(9, 3000).hex().encode(), n) for n in (0, 1)]
    one, two = (chosen.digests(prompt, 0, len(prompt)) for prompt in map(chosen.prompt, said))
    assert one == two != b""


def test_workers_find_the_same_table(tmp_path: Path) -> None:
    path = str(tmp_path / "table")
    provide(path, 64)
    one, two = (affinity_of(path, [1, 2, 3], [1, 1, 1], entries=64) for _ in range(2))
    one.used(chain(1, 2), 2, 10, START)
    assert two.warm(chain(1, 2), 2, START) == 2
    assert os.stat(path).st_mode & 0o777 == 0o600
    provide(path, 64)
    assert affinity_of(path, [1, 2, 3], [1, 1, 1], entries=64).warm(chain(1, 2), 2, START) == 2, "one is there already"


def test_a_table_is_named_by_its_provider_and_keys() -> None:
    names = [table_name(provider, keys) for provider in (7, 8) for keys in ([1, 2], [2, 1], [1, 2, 3])]
    assert len(set(names)) == 6
    assert table_name(7, [1, 2]) == names[0]


@pytest.mark.parametrize("damage", ["short", "long", "link", "empty"])
def test_what_is_no_table_is_made_anew(tmp_path: Path, damage: str) -> None:
    path, elsewhere = tmp_path / "table", tmp_path / "elsewhere"
    elsewhere.write_bytes(bytes(10))
    if damage == "link":
        path.symlink_to(elsewhere)
    else:
        path.write_bytes(bytes({"short": 100, "long": 10**6, "empty": 0}[damage]))
    with pytest.raises((ValueError, OSError)):
        affinity_of(str(path), [1], [1], entries=64)
    provide(str(path), 64)
    assert path.stat().st_size == chosen.memory_bytes(64)
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == bytes(10)
    assert affinity_of(str(path), [1], [1], entries=64).choose(chain(1), 1, START) == 0


def test_any_bytes_are_a_table(affinity: ModuleType) -> None:
    for seed in range(50):
        memory = bytearray(random.Random(seed).randbytes(affinity.memory_bytes(64)))
        table = affinity.Affinity(4, entries=64, memory=memory)
        for number in range(1, 40):
            key = table.choose(chain(number, number + 1), 0b1011, START)
            assert key in (0, 1, 3)
            table.used(chain(number, number + 1), key, 10, START)
            assert table.warm(chain(number, number + 1), key, START) == 2


def test_models_have_seeds() -> None:
    assert seed_of(b"a") == seed_of(b"a") != seed_of(b"b")
    assert 0 <= seed_of("größe".encode()) < 1 << 64


def test_without_a_table_the_memory_is_its_own() -> None:
    one, two = (affinity_of("", [1, 2, 3], [1, 1, 1], entries=64) for _ in range(2))
    one.used(chain(1), 2, 10, START)
    assert one.warm(chain(1), 2, START) == 1
    assert two.warm(chain(1), 2, START) == 0
