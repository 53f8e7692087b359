"""Files and words on the command line become faults, or are told what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config.problems import ConfigError
from gateway.faults import reading
from gateway.faults.schema import KINDS, Latency, Redirect, Status, plain

FILE = """\
control: 8474
seed: 7
upstreams:
  primary:
    listen: 9001
    to: https://api.openai.com
    prices: {prompt_nanodollars: 150, completion_nanodollars: 600}
    faults:
      - {kind: latency, delay: 200ms, jitter: 50ms, share: 0.1}
      - {kind: down, since: 10s, until: 1m}
  spare: {}
"""


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(FILE)
    setup = reading.load(str(file))
    assert list(setup.upstreams) == ["primary", "spare"]
    first = setup.upstreams["primary"].faults[0]
    assert isinstance(first, Latency)
    assert (first.delay, first.jitter, first.share) == (0.2, 0.05, 0.1)
    again = reading.loads(json.dumps(plain(setup)), "again.json")
    assert again == setup


WRONG = {
    "upstreams: {a: {faults: [{kind: latncy, delay: 1s}]}}": "upstreams.a.faults[0].kind: must be one of",
    "upstreams: {a: {faults: [{kind: cut, aftr: 1}]}}": "faults[0].aftr: unknown field; did you mean after?",
    "upstreams: {a: {faults: [{kind: status, status: 200}]}}": "faults[0].status: must be at least 400",
    "upstreams: {a: {faults: [{kind: latency}]}}": "faults[0]: delay is missing",
    "upstreams: {a: {faults: [{kind: latency, delay: soon}]}}": "faults[0].delay: expected a time such as",
    "upstreams: {a: {faults: [{kind: down, share: 0.5}]}}": "faults[0].share: unknown field",
    "upstreams: {a: {faults: [{kind: html, share: 1.5}]}}": "faults[0].share: must be at most 1",
    "upstreams: {a: {faults: [{kind: html, since: 2s, until: 1s}]}}": "faults[0].until: ends before it begins",
    "upstreams: {a: {listen: here}}": "upstreams.a.listen: expected a port, or an address and a port",
    "upstreams: {a: {to: ftp://x}}": "upstreams.a.to: expected a URL",
    "upstreams: {}": "upstreams: at least one is needed",
    "upstream: {a: {}}": "upstream: unknown field; did you mean upstreams?",
    "upstreams: {a: {}}\ncontrol: 70000": "control: must be at most 65535",
    "upstreams: [": "not valid YAML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reading.loads(text, "f.yaml")
    said = str(caught.value)
    assert WRONG[text] in said
    assert said.startswith("f.yaml:"), "the place is told"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        reading.load(str(tmp_path / "none.yaml"))


def test_words() -> None:
    assert reading.fault("status:503,retry_after=2s,share=0.5") == reading.fault(
        "status", status=503, retry_after="2s", share=0.5
    )
    status = reading.fault("status:503,retry_after=2s")
    assert isinstance(status, Status)
    assert (status.status, status.retry_after) == (503, 2.0)
    redirect = reading.fault("redirect:https://x.test/?a=b,status=302")
    assert isinstance(redirect, Redirect)
    assert (redirect.location, redirect.status) == ("https://x.test/?a=b", 302)
    assert reading.fault("latency:delay=1s") == reading.fault("latency:1s") == reading.fault("latency", delay=1)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("latncy:1s", "there is no fault 'latncy'; did you mean latency?"),
        ("latency", "delay is missing"),
        ("latency:soon", "expected a time"),
        ("cut:1,foo=2", "foo: unknown field"),
        ("cut:1,2", "'2' is no field=value"),
        ("down:1", "unknown field"),
    ],
)
def test_wrong_words(spec: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reading.fault(spec)
    assert said in str(caught.value)


def test_json_holds_one_or_several() -> None:
    one = reading.faults_from_json(b'{"kind": "html"}', "body")
    assert one == reading.faults_from_json(b'[{"kind": "html"}]', "body") == [reading.fault("html")]
    with pytest.raises(ConfigError, match="not valid JSON"):
        reading.faults_from_json(b"{", "body")


@pytest.mark.parametrize("listen", ["1", "127.0.0.1:1", "[::1]:65535", "0"])
def test_addresses(listen: str) -> None:
    host, port = reading.address(listen)
    assert (host in ("127.0.0.1", "::1"), str(port)) == (True, listen.rpartition(":")[2])


def test_main_fields_exist_and_every_kind_says_what_it_is() -> None:
    for kind in KINDS.values():
        assert kind.__doc__
        assert not kind.main or kind.main in kind.__struct_fields__
