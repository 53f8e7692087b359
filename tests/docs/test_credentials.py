"""docs/credentials.md: its examples can be used, and every type, extra and figure on it is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.config.loader import loads
from gateway.credentials import child, extras, source
from gateway.credentials.outcome import REASONS
from gateway.records import ErrorKind
from gateway.snapshot.plan import plan

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "credentials.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
ACCOUNT = {"type": "service_account", "client_email": "a@b", "private_key": "k", "token_uri": "https://t"}


def test_every_type_has_its_row_and_its_extra() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert dict(rows) == extras.OF_TYPE
    assert f"microgate[{','.join(sorted(extras.EXTRAS))}]" in PAGE


def test_the_examples_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "service-account.json").write_text(json.dumps(ACCOUNT))
    environ = dict.fromkeys(re.findall(r"env\.(\w+)", PAGE), "value")
    used = set()
    assert len(EXAMPLES) == 3
    for example in EXAMPLES:
        loaded = loads(example, str(tmp_path / "f.yaml"), environ)
        assert loaded.warnings == ()
        for provider in plan(loaded.config, b"p" * 32).providers.values():
            assert provider.base_url.startswith("https://")
            used |= {key.credential.type for key in provider.keys if key.credential is not None}
    assert used == extras.OF_TYPE.keys() - {"aws_chain"}


def test_figures_are_those_of_the_program() -> None:
    assert (source.LEAD_S, source.LEAD_SHARE, source.UNENDING_S) == (300, 0.2, 3600)
    assert (source.FIRST_PAUSE_S, source.LONGEST_PAUSE_S, source.FRESH_S) == (1, 60, 30)
    assert (child.FETCH_S, child.AT_ONCE) == (20, 4)
    assert f"a fetch is ended after {child.FETCH_S} s" in PAGE
    assert f"No access token for the provider: {REASONS['refused']}." in PAGE
    assert f"under the error `{ErrorKind.CREDENTIAL.name.lower()}`" in PAGE
