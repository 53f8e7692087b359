"""Where a deployment of LiteLLM's stands, and with which credential: what becomes of ``litellm_params``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.importing.draft import variable_in
from gateway.cli.importing.litellm_vendors import NAMED, Named, named_of
from gateway.cli.importing.tables import Job, seconds
from gateway.config.problems import Path
from providers.vendors import VENDORS

DATED_API = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")


@dataclass
class Endpoint:
    """A deployment on its way to being a target."""

    name: str
    """LiteLLM's name of its provider."""
    model: str
    """As its provider calls it."""
    provider: dict[str, Any] = field(default_factory=dict)
    """The provider's section, without keys."""
    credential: dict[str, Any] = field(default_factory=dict)
    """The key's section, without name, weight and models."""


@dataclass
class _Reading:
    """The parameters of one deployment, of which those that were taken are known."""

    job: Job
    path: Path
    params: dict[str, Any]
    taken: set[str] = field(default_factory=set)

    def take(self, name: str, to: str, note: str = "") -> Any:
        """A parameter, reported as taken over; None when it is not there or empty."""
        value = self.params.get(name)
        if value is None or value == "" or name in self.taken:
            return None
        self.taken.add(name)
        if note:
            self.job.report.changed((*self.path, name), value, to, note)
        else:
            self.job.report.carried((*self.path, name), value, to)
        return value

    def lose(self, name: str, why: str) -> None:
        if name in self.params and name not in self.taken:
            self.taken.add(name)
            self.job.report.missing((*self.path, name), self.params[name], why)

    def text(self, name: str, to: str, kind: str = "text") -> str | None:
        """The same as text of ours."""
        value = self.params.get(name)
        if value is None or value == "":
            return None
        try:
            made = self.job.draft.value(value, kind)
        except ValueError as error:
            self.lose(name, str(error))
            return None
        self.take(name, to)
        return made


def endpoint_of(job: Job, path: Path, params: dict[str, Any], taken: set[str]) -> Endpoint | None:
    """The provider, its address and the credential that ``litellm_params`` mean; None when there is nothing like it,
    which is reported. The names of parameters that were taken over are added to ``taken``."""
    model = params.get("model")
    reading = _Reading(job, path, params, taken)
    if not isinstance(model, str) or not model:
        return None
    found = named_of(model, str(params.get("custom_llm_provider", "")))
    if found is None and params.get("api_base"):
        found = "openai_like", model
    if found is None:
        taken.add("model")
        job.report.missing((*path, "model"), model, "LiteLLM knows no provider for this model without a prefix either")
        return None
    name, upstream = found
    named = NAMED[name]
    reading.take("custom_llm_provider", "providers.*.vendor")
    endpoint = Endpoint(name, upstream, {"vendor": named.vendor})
    if named.dialect:
        endpoint.provider["dialect"] = named.dialect
    row = VENDORS.get(named.vendor)
    if row is not None and row.operations in (("models", "passthrough"), ("passthrough",)):
        taken.add("model")
        job.report.missing((*path, "model"), model, f"{named.vendor} is only passed through here, under /passthrough/")
        return None
    if not _SPECIAL.get(named.vendor, _plain)(reading, endpoint, named):
        return None
    _headers(reading, endpoint)
    _timeouts(reading, endpoint)
    taken.add("model")
    job.report.carried((*path, "model"), model, "routes.*.targets")
    return endpoint


def _plain(reading: _Reading, endpoint: Endpoint, named: Named) -> bool:
    base = reading.params.get("api_base") or reading.params.get("base_url")
    if base is None and named.needs_base:
        reading.taken.add("model")
        reading.job.report.missing((*reading.path, "model"), endpoint.model, "has no api_base, and no address without")
        return False
    field_name = "api_base" if reading.params.get("api_base") else "base_url"
    given = reading.text(field_name, "providers.*.base_url", "url")
    if given is not None:
        endpoint.provider["base_url"] = _cut(given, named.cut)
    elif named.base_url:
        endpoint.provider["base_url"] = named.base_url
    return _key(reading, endpoint, named)


def _cut(url: str, ends: tuple[str, ...]) -> str:
    if url.startswith("env."):
        return url
    url = url.rstrip("/")
    for end in ends:
        if url.endswith(end):
            return url.removesuffix(end)
    return url


def _key(reading: _Reading, endpoint: Endpoint, named: Named) -> bool:
    given = reading.params.get("api_key")
    if given is not None and given != "":
        if variable_in(given) is None and named.variable:
            reading.job.report.remark(
                "keys of providers stand in clear in the file: put them into variables (env.NAME)"
            )
        reading.take("api_key", "providers.*.keys[].value")
        endpoint.credential["value"] = reading.job.draft.value(given)
    elif named.variable:
        endpoint.credential["value"] = reading.job.draft.env(named.variable)
        reading.job.report.remark(f"{named.variable} is read where the file has no api_key, as LiteLLM does")
    return True


def _azure(reading: _Reading, endpoint: Endpoint, named: Named) -> bool:
    base = reading.params.get("api_base")
    if base is None:
        # LiteLLM reads it from the environment.
        base = "os.environ/AZURE_API_BASE"
        reading.job.report.remark("AZURE_API_BASE is read where the file has no api_base, as LiteLLM does")
    reading.take("api_base", "providers.*.base_url")
    version = reading.params.get("api_version")
    if version in ("v1", "latest", "preview"):
        endpoint.provider["vendor"] = "azure"
        reading.take("api_version", "providers.*.vendor", "the v1 API has no version")
    elif variable_in(version) is not None:
        row = VENDORS["azure_deployments"]
        reading.lose("api_version", f"a query is no variable: {row.query} is asked for, unless query says otherwise")
    elif version is not None and DATED_API.fullmatch(str(version)):
        reading.take("api_version", "providers.*.query")
        endpoint.provider["query"] = f"api-version={version}"
    dated = endpoint.provider["vendor"] == "azure_deployments"
    if (variable := variable_in(base)) is not None:
        endpoint.provider["base_url"] = reading.job.draft.env(variable, "url")
        row = VENDORS[endpoint.provider["vendor"]]
        before = "/openai" if dated else "/openai/v1"
        endpoint.provider["paths"] = {
            operation: before + row.path_of(operation) for operation in row.operations if operation != "passthrough"
        }
    else:
        host = re.sub(r"(?<![/:])/openai(/.*)?$", "", str(base)).rstrip("/")
        endpoint.provider["base_url"] = host + ("/openai" if dated else "/openai/v1")
    tenant = reading.text("tenant_id", "providers.*.keys[].credential.tenant")
    client = reading.text("client_id", "providers.*.keys[].credential.client_id")
    secret = reading.text("client_secret", "providers.*.keys[].credential.client_secret", "secret")
    if tenant and client and secret:
        endpoint.credential["credential"] = {
            "type": "entra_client_secret", "tenant": tenant, "client_id": client, "client_secret": secret,
        }  # fmt: skip
        return True
    return _key(reading, endpoint, named)


def _bedrock(reading: _Reading, endpoint: Endpoint, named: Named) -> bool:
    model = endpoint.model
    for way in ("converse/", "invoke/", "converse_like/"):
        model = model.removeprefix(way)
    region, slash, rest = model.partition("/")
    if slash and re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        model = rest
    else:
        region = ""
    endpoint.model = model
    given = reading.text("aws_region_name", "providers.*.address.region", "region")
    base = reading.text("aws_bedrock_runtime_endpoint", "providers.*.base_url", "url")
    region = given or region or reading.job.draft.env("AWS_REGION_NAME", "region")
    if base is not None:
        endpoint.provider["base_url"] = _cut(base, ())
    else:
        endpoint.provider["address"] = {"region": region}
    key = reading.params.get("api_key")
    if key:
        return _key(reading, endpoint, named)
    credential: dict[str, Any] = {
        there: value
        for name, there, kind in (
            ("aws_access_key_id", "access_key_id", "text"),
            ("aws_secret_access_key", "secret_access_key", "secret"),
            ("aws_session_token", "session_token", "secret"),
            ("aws_profile_name", "profile", "text"),
            ("aws_role_name", "role_arn", "text"),
            ("aws_session_name", "session_name", "text"),
        )
        if (value := reading.text(name, f"providers.*.keys[].credential.{there}", kind)) is not None
    }
    kind = (
        "aws_assume_role" if "role_arn" in credential else "aws_keys" if "access_key_id" in credential else "aws_chain"
    )
    if base is not None:
        credential["region"] = region
    endpoint.credential["credential"] = {"type": kind, **credential}
    return True


def _vertex(reading: _Reading, endpoint: Endpoint, named: Named) -> bool:
    model = endpoint.model
    if "claude" in model:
        endpoint.provider["dialect"] = "anthropic"
    elif not model.startswith(("gemini", "*")):
        del endpoint.provider["dialect"]
    project = reading.text("vertex_project", "providers.*.address.project")
    location = reading.text("vertex_location", "providers.*.address.location", "region")
    base = reading.text("api_base", "providers.*.base_url", "url")
    if base is not None:
        endpoint.provider["base_url"] = _cut(base, ())
    else:
        endpoint.provider["address"] = {
            "project": project or reading.job.draft.env("VERTEXAI_PROJECT", "text"),
            "location": location or reading.job.draft.env("VERTEXAI_LOCATION", "region"),
        }
    given = reading.take("vertex_credentials", "providers.*.keys[].credential.key")
    if given is None:
        endpoint.credential["credential"] = {"type": "google_adc"}
    elif isinstance(given, dict):
        endpoint.credential["credential"] = {"type": "service_account", "key": json.dumps(given)}
        reading.job.report.remark("a service account's key stands in clear in the file: put it into a file (file.PATH)")
    elif variable_in(given) is not None:
        key = reading.job.draft.value(given, "document")
        endpoint.credential["credential"] = {"type": "service_account", "key": key}
    else:
        text = str(given).strip()
        key = text if text.startswith("{") else f"file.{text}"
        endpoint.credential["credential"] = {"type": "service_account", "key": key}
    return True


_SPECIAL: dict[str, Callable[[_Reading, Endpoint, Named], bool]] = {
    "azure_deployments": _azure,
    "bedrock": _bedrock,
    "vertex": _vertex,
}


def _headers(reading: _Reading, endpoint: Endpoint) -> None:
    headers: dict[str, str] = {}
    for name in ("extra_headers", "headers"):
        given = reading.params.get(name)
        if isinstance(given, dict) and given:
            reading.take(name, "providers.*.headers")
            headers.update({str(field): reading.job.draft.value(value, "text") for field, value in given.items()})
    if organization := reading.text("organization", "providers.*.headers"):
        headers["OpenAI-Organization"] = organization
    if headers:
        endpoint.provider["headers"] = headers


_TIMEOUTS = (
    ("timeout", "first_byte", "holds until the first byte of an answer; timeouts.total bounds the whole request"),
    ("stream_timeout", "first_token", "holds until the first content of a stream"),
)


def _timeouts(reading: _Reading, endpoint: Endpoint) -> None:
    found: dict[str, str] = {}
    for name, there, note in _TIMEOUTS:
        try:
            value = seconds(reading.params[name]) if reading.params.get(name) is not None else None
        except ValueError as error:
            reading.lose(name, str(error))
            continue
        if value is not None:
            reading.take(name, f"providers.*.timeouts.{there}", note)
            found[there] = value
    if found:
        endpoint.provider["timeouts"] = found
