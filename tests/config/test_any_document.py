"""Whatever stands in the file: a configuration or a ConfigError, never another exception."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config.loader import loads
from gateway.config.problems import ConfigError

WORDS = (
    "providers routes virtual_keys server retry timeouts log metrics admin p k name value keys base_url dialect models "
    "limits requests per window burst targets fallbacks provider model weight stateful headers query paths chat tls "
    "proxy operations aliases auth header scheme timeouts connect total cert key trusted_proxies token listen id vendor"
)
TEXTS = (
    "p k p/k p/m 1m 30s 32MiB env.X file.x http://h/v1 http://169.254.169.254/ openai_chat chat azure openai custom "
    "sk-0123456789012345678901 fixed smooth * a* 10.0.0.0/8 host:1"
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(), st.sampled_from(TEXTS.split()), st.text(max_size=6)
)
NAMES = st.one_of(st.sampled_from(WORDS.split()), st.text(max_size=4))
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=30,
)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "providers": st.dictionaries(st.sampled_from(["p", "openai", "azure"]), DOCUMENTS, max_size=2),
        "routes": st.dictionaries(st.sampled_from(["r", "s"]), DOCUMENTS, max_size=2),
        "virtual_keys": st.lists(
            st.one_of(
                DOCUMENTS,
                st.fixed_dictionaries(
                    {"name": st.sampled_from("abc"), "value": st.sampled_from(TEXTS.split())},
                    optional={"limits": DOCUMENTS, "stateful": LEAVES, "models": DOCUMENTS, "providers": DOCUMENTS},
                ),
            ),
            max_size=3,
        ),
        "server": DOCUMENTS,
        "retry": DOCUMENTS,
        "metrics": DOCUMENTS,
        "admin": DOCUMENTS,
    },
)


def judged(text: str, source: str) -> str:
    try:
        loads(text, source, {"X": "x" * 20})
    except ConfigError as exc:
        wrong = exc
    else:
        return "ok"
    assert wrong.problems
    assert all(problem.line > 0 for problem in wrong.problems)
    return str(wrong)


@settings(deadline=None, max_examples=60, database=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(NEAR, st.dictionaries(NAMES, DOCUMENTS, max_size=4)))
def test_any_values(document: Any) -> None:
    as_json = judged(json.dumps(document), "f.json")
    as_yaml = judged(yaml.safe_dump(document, allow_unicode=True, default_flow_style=False), "f.yaml")
    if "twice" not in as_json + as_yaml:
        assert (as_json == "ok") == (as_yaml == "ok"), (as_json, as_yaml)


@settings(deadline=None, max_examples=60, database=None)
@given(
    st.text(alphabet="ab:-{}[],\"'#&*!|>%@` \n\t0.<=\\\x00\x85\ufeff\U0001f600"),
    st.sampled_from(["f.yaml", "f.json", "f.toml"]),
)
def test_any_text(text: str, source: str) -> None:
    judged(text, source)
