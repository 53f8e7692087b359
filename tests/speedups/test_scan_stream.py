"""A stream is followed alike wherever its packets were cut, and what is relayed is what came."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.twins import twins

COUNTS = (
    *("prompt", "completion", "total", "cached", "cache_write", "reasoning", "audio_in", "audio_out"),
    *("image_in", "image_out", "cache_write_1h", "cached_audio", "searches"),
)
USAGE = (*COUNTS, "suspicious", "found")
FACTS = ("events", "content_events", "done", "finished", "failed", "error_event", "malformed", "garbled")

CONTENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
TOTAL = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"


def usage_of(usage: Any) -> dict[str, Any]:
    return {name: getattr(usage, name) for name in USAGE}


def followed(scan: ModuleType, kind: int, pieces: list[bytes], hide: bool = False) -> tuple[bytes, dict[str, Any]]:
    stream = scan.StreamScan(kind, hide)
    relayed = b"".join([stream.feed(piece) for piece in pieces]) + stream.flush()
    facts = {name: getattr(stream, name) for name in FACTS}
    return relayed, {**facts, "verdict": stream.verdict(), "usage": usage_of(stream.usage)}


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The stream whole, byte by byte, in two at every place, and in random pieces."""
    yield [data]
    yield [data[k : k + 1] for k in range(len(data))]
    for k in range(len(data) + 1):
        yield [data[:k], data[k:]]
    rng = random.Random(len(data))
    for _ in range(20):
        places = sorted(rng.choices(range(len(data) + 1), k=6))
        yield [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def always(scan: ModuleType, kind: int, data: bytes, hide: bool = False) -> tuple[bytes, dict[str, Any]]:
    """What is found in ``data``, which must be the same for all cuts."""
    outcomes = [followed(scan, kind, pieces, hide) for pieces in cuts(data)]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


def test_an_ordinary_piece_is_returned_itself(scan: ModuleType) -> None:
    for hide in (False, True):
        stream = scan.StreamScan(scan.CHAT, hide)
        for piece in (CONTENT, STOP, CONTENT + STOP, DONE):
            assert stream.feed(piece) is piece


def test_a_chat_stream(scan: ModuleType) -> None:
    data = CONTENT + CONTENT + STOP + TOTAL + DONE
    relayed, facts = always(scan, scan.CHAT, data)
    assert relayed == data
    assert facts["usage"] == dict.fromkeys(COUNTS, -1) | {
        "prompt": 3,
        "completion": 2,
        "total": 5,
        "suspicious": False,
        "found": True,
    }
    del facts["usage"]
    assert facts == {
        "events": 4,
        "content_events": 2,
        "done": True,
        "finished": True,
        "failed": False,
        "error_event": b"",
        "malformed": False,
        "garbled": False,
        "verdict": scan.CLEAN,
    }


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_usage_event_is_hidden(scan: ModuleType, end: bytes) -> None:
    pieces = [event.replace(b"\n", end) for event in (b": ping\n\n" + CONTENT, TOTAL, STOP, DONE)]
    relayed, facts = always(scan, scan.CHAT, b"".join(pieces), hide=True)
    assert relayed == pieces[0] + pieces[2] + pieces[3]
    assert (facts["events"], facts["done"], facts["usage"]["total"]) == (3, True, 5)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[],"prompt_filter_results":[]}\n\n',
        b'data: {"choices":[],"usage":null}\n\n',
        b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1},"error":{"message":"x"}}\n\n',
        b'data: {"usage":{"prompt_tokens":1}}\n\n',
    ],
)
def test_only_a_usage_event_is_hidden(scan: ModuleType, event: bytes) -> None:
    assert followed(scan, scan.CHAT, [event + DONE], hide=True)[0] == event + DONE


def test_an_unfinished_event_is_held_back_and_flushed(scan: ModuleType) -> None:
    stream = scan.StreamScan(scan.CHAT, True)
    assert stream.feed(CONTENT + TOTAL[:30]) == CONTENT
    assert stream.feed(TOTAL[30:40]) == b""
    assert stream.flush() == TOTAL[:40]
    assert stream.verdict() == scan.TRUNCATED


def test_an_event_too_long_to_hold_is_let_go(scan: ModuleType) -> None:
    start = b'data: {"choices":[{"delta":{"content":"'
    pieces = [CONTENT, start, *[b"x" * 65_536] * 40, b'"}}]}\n\n', TOTAL, STOP, DONE]
    relayed, facts = followed(scan, scan.CHAT, pieces, hide=True)
    assert relayed == b"".join(pieces).replace(TOTAL, b"")
    assert (facts["events"], facts["content_events"], facts["malformed"]) == (4, 2, False)


def test_a_long_event_is_counted_and_not_looked_at(scan: ModuleType) -> None:
    for line in (b"x" * (1 << 20), b"\n".join([b"data: " + b"x" * 60_000] * 20)):
        for pieces in (
            [b"event: error\ndata: " + line, b"\n\n" + STOP],
            [b"event: error\ndata: " + line + b"\n\n" + STOP],
        ):
            _, facts = followed(scan, scan.CHAT, pieces)
            assert (facts["events"], facts["content_events"], facts["malformed"]) == (2, 1, False)
            assert (facts["failed"], facts["error_event"]) == (True, b"")


def test_nothing_follows_done(scan: ModuleType) -> None:
    for hide in (False, True):
        for end in (b"\n", b"\r\n", b"\r"):
            data = (CONTENT + DONE).replace(b"\n", end)
            relayed, facts = always(scan, scan.CHAT, data + CONTENT.replace(b"\n", end) + b": x\n\n", hide)
            assert relayed == data
            assert facts["events"] == 1


@pytest.mark.parametrize("done", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n\r\n", b"data: [DONE] \n\n"])
def test_forms_of_done(scan: ModuleType, done: bytes) -> None:
    relayed, facts = always(scan, scan.CHAT, CONTENT + done)
    assert relayed == CONTENT + done
    assert (facts["done"], facts["verdict"], facts["events"]) == (True, scan.CLEAN, 1)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"", "TRUNCATED"),
        (b": ping\n\n", "TRUNCATED"),
        (CONTENT, "TRUNCATED"),
        (CONTENT + STOP, "CLEAN"),
        (CONTENT + STOP[:-1], "TRUNCATED"),
        (CONTENT + STOP + b"\n\n: bye\n\n", "CLEAN"),
        (CONTENT + STOP + b": bye", "CLEAN"),
        (CONTENT + STOP + TOTAL[:20], "TRUNCATED"),
        (CONTENT + STOP + b"ev", "TRUNCATED"),
        (CONTENT + STOP + b"event: x\n", "TRUNCATED"),
        (CONTENT + TOTAL, "CLEAN"),
        (CONTENT + b'data: {"error":{}}\n\n' + DONE, "FAILED"),
        (b"<html>bad gateway</html>", "TRUNCATED"),
        (b'{"error":{"message":"x"}}', "TRUNCATED"),
    ],
)
def test_verdicts_of_chat(scan: ModuleType, data: bytes, verdict: str) -> None:
    assert always(scan, scan.CHAT, data)[1]["verdict"] == getattr(scan, verdict)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [(b"", "CLEAN"), (b"data: x\n\n", "CLEAN"), (b"data: x\n", "TRUNCATED"), (b"event: error\ndata: x\n\n", "FAILED")],
)
def test_verdicts_of_raw(scan: ModuleType, data: bytes, verdict: str) -> None:
    _, facts = always(scan, scan.RAW, data)
    assert (facts["verdict"], facts["malformed"]) == (getattr(scan, verdict), False)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"error":{"message":"x"}}',
        b'{"error":"x","choices":[{"delta":{"content":""},"finish_reason":"error"}]}',
        b'{"choices":[{"delta":{"content":""},"error":{"code":502}}]}',
        b'{"choices":[{"finish_reason":"err\\u006fr"}]}',
        b'{"choices":[],"error":{"code":429,"message":"Rate limited"}}',
        b'{"\\u0065rror":1}',
    ],
)
def test_errors_in_a_chat_stream(scan: ModuleType, payload: bytes) -> None:
    _, facts = always(scan, scan.CHAT, CONTENT + b"data: " + payload + b"\n\n" + b'data: {"error":2}\n\n')
    assert (facts["failed"], facts["error_event"], facts["verdict"]) == (True, payload, scan.FAILED)


@pytest.mark.parametrize(
    "payload", [b'{"error":null,"choices":[{"error":null,"delta":{"error":"x"}}]}', b'{"x":{"error":1}}', b'"error"']
)
def test_what_is_no_error(scan: ModuleType, payload: bytes) -> None:
    assert not followed(scan, scan.CHAT, [b"data: " + payload + b"\n\n"])[1]["failed"]


def test_an_error_event_that_is_no_json(scan: ModuleType) -> None:
    _, facts = always(scan, scan.CHAT, b"event: error\ndata: went wrong\ndata: badly\n\n")
    assert (facts["failed"], facts["error_event"], facts["malformed"]) == (True, b"went wrong\nbadly", True)


def test_an_error_event_is_kept_to_16_kib(scan: ModuleType) -> None:
    payload = b'{"error":"' + b"x" * 20_000 + b'"}'
    assert followed(scan, scan.CHAT, [b"data: " + payload + b"\n\n"])[1]["error_event"] == payload[:16_384]


@pytest.mark.parametrize(
    ("payload", "content"),
    [
        (b'{"choices":[{"delta":{"role":"assistant","content":""}}]}', 0),
        (b'{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[ ],"x":{ }}}]}', 0),
        (b'{"choices":[{"delta":{"content":" "}}]}', 1),
        (b'{"choices":[{"delta":{"reasoning_content":"x"}},{"delta":{"content":"y"}}]}', 1),
        (b'{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}', 1),
        (b'{"choices":[1,{"delta":[1]},{"delta":{}}]}', 0),
        (b'{"choices":[{"text":"a"}]}', 1),
        (b'{"choices":[{"text":""}]}', 0),
        (b'{"choices":{"delta":{"content":"a"}}}', 0),
    ],
)
def test_what_counts_as_content(scan: ModuleType, payload: bytes, content: int) -> None:
    assert followed(scan, scan.CHAT, [b"data: " + payload + b"\n\n"])[1]["content_events"] == content


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed", "cancelled"])
def test_the_end_of_a_responses_stream(scan: ModuleType, kind: str) -> None:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 16,
    }
    delta = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a"}\n\n'
    last = json.dumps({"type": f"response.{kind}", "response": {"error": None, "usage": usage}})
    data = delta + f"event: response.{kind}\ndata: {last}\n\n".encode()
    relayed, facts = always(scan, scan.RESPONSES, data)
    assert relayed == data
    assert (facts["finished"], facts["failed"], facts["content_events"]) == (True, kind == "failed", 1)
    assert facts["usage"] == dict.fromkeys(COUNTS, -1) | {
        "prompt": 9,
        "completion": 7,
        "total": 16,
        "cached": 4,
        "reasoning": 2,
        "suspicious": False,
        "found": True,
    }


def test_the_event_name_stands_in_for_a_type(scan: ModuleType) -> None:
    _, facts = always(scan, scan.RESPONSES, b"event: response.completed\ndata: {}\n\n")
    assert facts["finished"]
    _, facts = always(scan, scan.RESPONSES, b'event: response.completed\ndata: {"type":"response.created"}\n\n')
    assert not facts["finished"]


def test_responses_errors(scan: ModuleType) -> None:
    _, facts = always(scan, scan.RESPONSES, b'data: {"type":"error","code":"x"}\n\n')
    assert facts["failed"]


def test_typed_streams(scan: ModuleType) -> None:
    data = b'data: {"type":"transcript.text.delta","delta":"a"}\n\ndata: {"type":"transcript.text.done","text":"a"}\n\n'
    _, facts = always(scan, scan.TYPED, data)
    assert (facts["content_events"], facts["finished"], facts["verdict"]) == (1, True, scan.CLEAN)
    _, facts = always(scan, scan.TYPED, b'data: {"type":"image_generation.partial_image","b64_json":"a"}\n\n')
    assert (facts["content_events"], facts["finished"], facts["verdict"]) == (1, False, scan.TRUNCATED)
    _, facts = always(scan, scan.TYPED, b'data: {"type":"image_generation.completed","b64_json":"a"}\n\n')
    assert (facts["content_events"], facts["finished"]) == (1, True)


def test_raw_streams_are_looked_at_for_errors_and_usage_only(scan: ModuleType) -> None:
    data = (
        b'data: nonsense\n\ndata: {"usage":{"input_tokens":1,"output_tokens":2}}\n\nevent: ping\ndata: {"error":{}}\n\n'
    )
    _, facts = always(scan, scan.RAW, data)
    assert (facts["events"], facts["content_events"], facts["malformed"], facts["failed"]) == (3, 3, False, True)
    assert (facts["usage"]["prompt"], facts["usage"]["completion"]) == (1, 2)


def test_malformed_events_are_flagged(scan: ModuleType) -> None:
    for payload in (b"{oops}", b'{"a":"\xff"}', b"", b"[DONE", b"[" * 300 + b"]" * 300):
        assert followed(scan, scan.CHAT, [b"data: " + payload + b"\n\n"])[1]["malformed"], payload
    for payload in (b"[]", b"1", b'{"a":\ndata: 1}'):
        assert not followed(scan, scan.CHAT, [b"data: " + payload + b"\n\n"])[1]["malformed"], payload


def test_a_stream_whose_first_event_is_malformed_is_garbled(scan: ModuleType) -> None:
    good, bad = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', b"data: {oops\n\n"
    for data, garbled in ((bad + good, True), (b": hello\n\n" + bad + good, True), (good + bad, False), (DONE, False)):
        assert always(scan, scan.CHAT, data)[1]["garbled"] == garbled, data
    assert not always(scan, scan.RAW, bad + good)[1]["garbled"]


# ---- usage ----


def test_usage_in_every_event_is_counted_once(scan: ModuleType) -> None:
    data = b"".join(
        [b'data: {"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":%d}}\n\n' % n for n in range(5)]
    )
    usage = always(scan, scan.CHAT, data)[1]["usage"]
    assert (usage["prompt"], usage["completion"]) == (3, 4)


DETAILED = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 2, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 3, "accepted_prediction_tokens": 9},
}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"usage": DETAILED}, (20, 10, 30, 5, 1, 4, 2, 3)),
        ({"a": {"usage": {"prompt_tokens": 9}}, "b": [{"usage": 1}], "usage": DETAILED}, (20, 10, 30, 5, 1, 4, 2, 3)),
        ({"usage": {"prompt_tokens": 8, "total_tokens": 8}}, (8, -1, 8, -1, -1, -1, -1, -1)),
        ({"usage": {"input_tokens": 5, "output_tokens": 6}}, (5, 6, -1, -1, -1, -1, -1, -1)),
        (
            {"x_groq": {"id": "r", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}},
            (1, 2, -1, -1, -1, -1, -1, -1),
        ),
        ({"response": {"a": {"b": 1}, "usage": {"input_tokens": 1}}}, (1, -1, -1, -1, -1, -1, -1, -1)),
        ({"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 3}}, (9, -1, -1, 3, -1, -1, -1, -1)),
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": None}}, (9, -1, -1, -1, -1, -1, -1, -1)),
        ({"usage": {"prompt_tokens": None, "total_tokens": 2}}, (-1, -1, 2, -1, -1, -1, -1, -1)),
        (
            {"usage": {"input_tokens": 14, "input_token_details": {"audio_tokens": 14}, "output_tokens": 3}},
            (14, 3, -1, -1, -1, -1, 14, -1),
        ),
        ({"usage": None}, (-1,) * 8),
        ({"usage": {"type": "duration", "seconds": 3}}, (-1,) * 8),
        ({"response": [{"usage": {"input_tokens": 1}}]}, (-1,) * 8),
        ({"response": {"x": {"usage": {"input_tokens": 1}}}}, (-1,) * 8),
        ([{"usage": {"input_tokens": 1}}], (-1,) * 8),
        ({"x": '"usage":{"input_tokens":1}', "usages": {"input_tokens": 1}}, (-1,) * 8),
    ],
)
def test_usage_of_answers(scan: ModuleType, document: object, expected: tuple[int, ...]) -> None:
    for indent in (None, 2):
        data = json.dumps(document, indent=indent).encode()
        for pieces in cuts(data):
            for kind in (bytes, bytearray, memoryview):
                usage = scan.UsageScan()
                for piece in pieces:
                    usage.feed(kind(piece))
                assert tuple(getattr(usage, name) for name in COUNTS) == (*expected, *(-1,) * 5)
                assert (usage.found, usage.suspicious) == (max(expected[:3]) >= 0, False)
                if len(pieces) > 1:
                    break
        usage = scan.UsageScan()
        usage.feed(b'{"usage": ')  # an unfinished document does not disturb a whole one
        usage.parse(data)
        assert tuple(getattr(usage, name) for name in COUNTS) == (*expected, *(-1,) * 5)


@pytest.mark.parametrize(
    "count", ["-1", "-0", "1.5", "2.0", "1e300", '"7"', "true", "[1]", "{}", "9007199254740993", "1" * 30, "NaN", "01"]
)
def test_a_count_that_cannot_be_is_ignored_and_flagged(scan: ModuleType, count: str) -> None:
    usage = scan.UsageScan()
    usage.feed(f'{{"usage": {{"prompt_tokens": {count}}}}}'.encode())
    assert (usage.prompt, usage.found, usage.suspicious) == (-1, False, True)


@pytest.mark.parametrize("value", ["5", '"x"', "[]", "true", '{"a":' * 17 + "1" + "}" * 17])
def test_a_usage_that_is_no_object_is_flagged(scan: ModuleType, value: str) -> None:
    usage = scan.UsageScan()
    usage.feed(f'{{"usage": {value}}}}}'.encode())
    assert (usage.found, usage.suspicious) == (False, True)


def test_the_largest_count(scan: ModuleType) -> None:
    usage = scan.UsageScan()
    usage.feed(b'{"usage": {"total_tokens": 9007199254740992}}')
    assert (usage.total, usage.suspicious) == (1 << 53, False)


def test_a_usage_too_long_to_be_true_is_flagged(scan: ModuleType) -> None:
    for size, found in ((16_000, True), (17_000, False)):
        data = b'{"usage": {"prompt_tokens": 1, "x": "' + b"x" * size + b'"}}'
        for pieces in ([data], [data[:9000], data[9000:]], [data[:30], data[30:]]):
            usage = scan.UsageScan()
            for piece in pieces:
                usage.feed(piece)
            assert (usage.found, usage.suspicious) == (found, not found), (size, len(pieces))


def test_reset(scan: ModuleType) -> None:
    usage = scan.UsageScan()
    usage.feed(b'{"usage": {"prompt_tokens": 1, "total_tokens": -1}, "x": ["')
    usage.reset()
    assert usage_of(usage) == usage_of(scan.UsageScan())
    usage.feed(b'{"usage": {"prompt_tokens": 2}}')
    assert usage.prompt == 2


def test_several_documents_one_after_another(scan: ModuleType) -> None:
    usage = scan.UsageScan()
    usage.feed(b'{"usage": {"prompt_tokens": 1}}\n{"usage": {"prompt_tokens": 2}}\n')
    assert usage.prompt == 2


# ---- both implementations agree ----

SCANS = twins("_scan")

fragments = st.sampled_from(
    [
        *(
            b"data: ",
            b"data:",
            b"data",
            b"event: error",
            b"event: response.completed",
            b": c",
            b"id: 1",
            b"\xef\xbb\xbf",
        ),
        *(b"\n", b"\r", b"\r\n", b"\n\n", b"\n\n", b"\r\n\r\n", b"\r\r"),
        *(
            b"[DONE]",
            b'{"choices":[],"usage":{"prompt_tokens":1}}',
            b'{"usage":',
            b'{"prompt_tokens":2}}',
            b'{"error":1}',
        ),
        *(
            b'{"choices":[{"delta":{"content":"x"}}]}',
            b'{"type":"response.failed"}',
            b"\xff",
            b"x",
            b"{",
            b"}",
            b'"',
            b"\\",
        ),
        *(CONTENT, STOP, TOTAL, DONE),
    ]
)


@pytest.mark.parametrize("guilty", [name for name in SCANS if name != "py"])
@given(
    pieces=st.lists(st.lists(fragments, max_size=5).map(b"".join), max_size=8),
    kind=st.integers(0, 3),
    hide=st.booleans(),
)
def test_twins_agree_on_streams(guilty: str, pieces: list[bytes], kind: int, hide: bool) -> None:
    ours, theirs = SCANS[guilty].StreamScan(kind, hide), SCANS["py"].StreamScan(kind, hide)
    for piece in pieces:
        assert ours.feed(piece) == theirs.feed(piece)
        assert {name: getattr(ours, name) for name in FACTS} == {name: getattr(theirs, name) for name in FACTS}
        assert usage_of(ours.usage) == usage_of(theirs.usage)
    assert ours.flush() == theirs.flush()
    assert ours.verdict() == theirs.verdict()


tokens = st.sampled_from(
    [
        *b'{}[]:," \\\n',
        *(
            b'"usage"',
            b'"x_groq"',
            b'"response"',
            b'"prompt_tokens"',
            b'"total_tokens_details"',
            b'"a":1',
            b"12",
            b"-1",
            b"null",
        ),
        *(
            b'{"usage":{"prompt_tokens":',
            b'"completion_tokens":5}',
            b'"prompt_tokens_details":{"cached_tokens":1}',
            b'"usage":',
        ),
    ]
).map(lambda token: token if isinstance(token, bytes) else bytes([token]))


@pytest.mark.parametrize("guilty", [name for name in SCANS if name != "py"])
@given(pieces=st.lists(st.lists(tokens, max_size=12).map(b"".join), max_size=6))
def test_twins_agree_on_usage(guilty: str, pieces: list[bytes]) -> None:
    ours, theirs = SCANS[guilty].UsageScan(), SCANS["py"].UsageScan()
    for piece in pieces:
        ours.feed(piece)
        theirs.feed(piece)
        assert usage_of(ours) == usage_of(theirs)
    ours.parse(b"".join(pieces))
    theirs.parse(b"".join(pieces))
    assert usage_of(ours) == usage_of(theirs)


@given(
    pieces=st.lists(st.lists(fragments, max_size=4).map(b"".join), max_size=6),
    kind=st.integers(0, 3),
    hide=st.booleans(),
)
def test_cuts_do_not_matter(pieces: list[bytes], kind: int, hide: bool) -> None:
    whole = b"".join(pieces)
    for name, module in SCANS.items():
        assert followed(module, kind, pieces, hide) == followed(module, kind, [whole], hide), name


def test_kinds_of_tokens_that_have_prices_of_their_own(scan: ModuleType) -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {
            "image_tokens": 1,
            "cache_write_1h_tokens": 2,
            "cached_audio_tokens": 3,
            "audio_tokens": 4,
        },
        "output_tokens": 50,
        "output_tokens_details": {"image_tokens": 5, "audio_tokens": 6},
        "num_search_queries": 7,
    }
    found = scan.UsageScan()
    assert found.judge(json.dumps({"usage": usage}).encode())
    assert (found.image_in, found.cache_write_1h, found.cached_audio, found.audio_in) == (1, 2, 3, 4)
    assert (found.image_out, found.audio_out, found.searches) == (5, 6, 7)
    found.reset()
    assert {getattr(found, name) for name in COUNTS} == {-1}
