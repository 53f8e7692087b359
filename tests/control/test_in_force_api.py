"""What is in force, as one file (/api/export), as models that can be asked and as prices."""

from __future__ import annotations

import yaml

from gateway.config.loader import loads
from tests.control.process import Control

SECRET = "sk-canary-of-the-database-0123456789"


def test_file_and_database_are_one_file_without_secrets(running: Control) -> None:
    spec = {"base_url": "https://example.com/v1", "keys": [{"name": "k", "value": SECRET}]}
    assert running.send_json("POST", "/api/providers", {"name": "extra", "spec": spec}).status == 201
    assert running.send_json("POST", "/api/virtual-keys", {"name": "carol", "spec": {}}).status == 201
    told = running.get("/api/export")
    assert (told.status, told.content_type) == (200, "application/yaml; charset=utf-8")
    assert "attachment" in told.fields["content-disposition"]
    text = told.body.decode()
    for secret in (SECRET, "sk-upstream-0123456789", "sk-alice-"):
        assert secret not in text
    found = yaml.safe_load(text)
    assert found["providers"].keys() == {"mock", "extra"}
    assert [key["name"] for key in found["virtual_keys"]] == ["alice", "bob", "carol"]
    wanted = "MICROGATE_PROVIDERS_EXTRA_KEYS_K_VALUE"
    assert f"# providers.extra.keys.k.value is not in it: set {wanted}\n" in text
    lines = [line for line in text.splitlines() if line.startswith("# ")]
    environ = {line.rpartition(" ")[2]: f"sk-{number:032d}" for number, line in enumerate(lines)}
    again = loads(text, "c.yaml", environ).config
    assert [key.name for key in again.virtual_keys] == ["alice", "bob", "carol"]


def test_models_and_prices_are_asked_for_by_name(running: Control) -> None:
    assert running.send_json("POST", "/api/routes", {"name": "best", "spec": {"targets": ["mock/m"]}}).status == 201
    [entry] = running.get("/api/models?search=best&kind=chat").json["entries"]
    assert (entry["name"], entry["targets"], entry["price"]) == ("best", ["mock/m"], None)
    [price] = running.get("/api/prices/effective?search=mock").json["entries"]
    assert price == {"provider": "mock", "model": "m", "source": "unknown", "prices": {}, "virtual_keys": 0}
    for path in ("models?limit=0", "models?kind=x", "prices/effective?cursor=x", f"models?search={'x' * 201}"):
        assert running.get(f"/api/{path}").status == 400, path
