"""The web interface's files: what is in the table is answered, whatever else is asked is not, and no path is opened."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.control.web import FOREVER, Web

INDEX = '<!doctype html><meta name="csp-nonce" nonce="" /><div id="root"></div>'
SCRIPT = "console.log(1);" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text(INDEX)
    (static / "SOURCES").write_text("0" * 64)
    (static / "mark.svg").write_text("<svg/>")
    (static / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode(), mtime=0))
    (tmp_path / "secret.js").write_text("secret")
    return static


class Asked:
    """One answer of ``web``."""

    def __init__(self, web: Web, path: str, method: str = "GET", **fields: str) -> None:
        self.fields: dict[str, str] = {}
        self.body = b""
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.fields = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message["body"]

        asyncio.run(web(scope, None, send))


def test_a_page_carries_a_policy_of_its_own(folder: Path) -> None:
    web = Web.built(folder)
    numbers = set()
    for path in ("/ui", "/ui/", "/ui/login", "/ui/routes/gpt-4.1", "/ui/keys/file:virtual_key~1bob"):
        answer = Asked(web, path)
        assert answer.status == 200, path
        assert answer.fields["cache-control"] == "no-store"
        found = re.search(r"'nonce-([\w-]{20,})'", answer.fields["content-security-policy"])
        assert found is not None
        assert f'nonce="{found[1]}"'.encode() in answer.body
        numbers.add(found[1])
    assert len(numbers) == 5
    policy = Asked(web, "/ui/").fields["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.count("'self'") == 5


def test_a_file_is_sent_as_the_browser_takes_it(folder: Path) -> None:
    web = Web.built(folder)
    path = "/ui/assets/index-abc.js"
    packed = Asked(web, path, accept_encoding="br, gzip")
    assert (packed.status, packed.fields["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(packed.body) == SCRIPT.encode()
    for accepted in ("", "br", "gzip;q=0", "identity"):
        plain = Asked(web, path, accept_encoding=accepted)
        assert (plain.body, "content-encoding" in plain.fields) == (SCRIPT.encode(), False)
        assert plain.fields["vary"] == "accept-encoding"
    assert packed.fields["cache-control"] == FOREVER.decode()
    assert packed.fields["content-type"] == "text/javascript; charset=utf-8"
    assert packed.fields["x-content-type-options"] == "nosniff"
    assert Asked(web, "/ui/mark.svg").fields["cache-control"] == "no-cache"
    again = Asked(web, path, if_none_match=packed.fields["etag"])
    assert (again.status, again.body) == (304, b"")


def test_who_mistypes_a_page_is_told_by_the_page(folder: Path) -> None:
    web, browser = Web.built(folder), "text/html,application/xhtml+xml,*/*;q=0.8"
    for path in ("/ui/nothing/here", "/ui/route/"):
        answer = Asked(web, path, accept=browser)
        assert (answer.status, b'nonce="' in answer.body) == (404, True)
        assert "nonce-" in answer.fields["content-security-policy"]
    for path, accept in (("/ui/nothing/here", "*/*"), ("/ui/assets/gone.js", browser), ("/ui/../secret", browser)):
        answer = Asked(web, path, accept=accept)
        assert (answer.status, answer.fields["content-type"]) == (404, "text/plain; charset=utf-8")


def test_head_is_answered_without_a_body(folder: Path) -> None:
    for path in ("/ui/", "/ui/mark.svg"):
        answer = Asked(Web.built(folder), path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.fields["content-length"]) > 0
    assert Asked(Web.built(folder), "/ui/", "POST").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/ui/../secret.js", "/ui/assets/../../secret.js", "/ui/%2e%2e/secret.js", "/ui/..%2fsecret.js",
        "/ui/....//secret.js", "/ui/assets/..\\..\\secret.js", "/ui//etc/passwd", "/ui/%00", "/ui/assets/",
        "/ui/assets",
        "/ui/SOURCES", "/ui/index.html", "/ui/assets/index-abc.js.gz", "/ui/mark.svg/", "/ui/MARK.SVG",
        "/ui/mark.svg%00.js", "/ui/file:///etc/passwd",
    ],
)  # fmt: skip
def test_no_other_path_leads_anywhere(folder: Path, path: str) -> None:
    web = Web.built(folder)
    # What was read is all there is: the file system is no longer asked.
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    answer = Asked(web, path)
    assert (answer.status, b"secret" in answer.body) == (404, False)
    assert Asked(web, "/ui/mark.svg").status == 200


def test_ranges_are_not_offered_however_many_are_asked_for(folder: Path) -> None:
    """RFC 9110 14.2: the whole is an answer. One that put 2,000 pieces together would be a lever."""
    many = "bytes=" + ",".join(f"{number}-{number + 9}" for number in range(2000))
    for asked in ("bytes=0-9", many, "bytes=-1", "nonsense"):
        answer = Asked(Web.built(folder), "/ui/mark.svg", range=asked)
        assert (answer.status, answer.body) == (200, b"<svg/>")


def test_what_is_not_built_says_so(tmp_path: Path) -> None:
    answer = Asked(Web.built(tmp_path / "nothing"), "/ui/")
    assert (answer.status, b"not built" in answer.body) == (501, True)
