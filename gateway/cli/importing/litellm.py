"""LiteLLM's ``config.yaml``."""

from __future__ import annotations

from typing import Any

from gateway.cli.importing import litellm_keys, litellm_models
from gateway.cli.importing.litellm_cache import cache_params
from gateway.cli.importing.litellm_models import Models
from gateway.cli.importing.litellm_routing import Routing, strategy_of
from gateway.cli.importing.litellm_settings import tables
from gateway.cli.importing.simplifying import simplify
from gateway.cli.importing.tables import Job, walk
from gateway.config.problems import Path

_LAST = ("fallbacks", "default_fallbacks", "context_window_fallbacks", "model_group_alias", "enable_tag_filtering")
"""Settings that refer to routes as the others have left them."""
_SECTIONS: dict[str, str] = {
    "environment_variables": "variables are set where the gateway is started; references to them (env.NAME) are kept",
    "guardrails": "nothing like it is built yet",
    "mcp_servers": "nothing like it is built yet",
    "mcp_tools": "nothing like it is built yet",
    "prompts": "nothing like it is built yet",
    "vector_store_registry": "callers pass files and vector stores through to a provider",
    "search_tools": "nothing like it is built yet",
    "finetune_settings": "fine-tuning is passed through, under /passthrough/PROVIDER/",
    "files_settings": "files are kept at the provider that the caller names: docs/stateful.md",
    "assistants_settings": "assistants are passed through, under /passthrough/PROVIDER/",
    "credential_list": "name the credential at the provider's key",
    "callback_settings": "records are kept in the request log and counted in /metrics",
}


def take_over(document: dict[str, Any], included: list[str], rows: list[dict[str, Any]]) -> Job:
    """The import of a file, of those it includes, and of the keys of its database."""
    job = Job(document)
    models = Models(spread=strategy_of(document) == "simple-shuffle")
    if "include" in document:
        job.report.carried(("include",), document["include"], "this file")
        for name in included:
            job.report.remark(f"places of settings in {name} are those after it was included")
    if "model_list" in document:
        litellm_models.read(job, document["model_list"], models)
        litellm_models.place(job, models)
        litellm_models.routes(job, models)
    routing = Routing(job, models)
    for name, table in tables(routing).items():
        section = document.get(name)
        if name not in document:
            continue
        path: Path = (name,)
        if not isinstance(section, dict) or not section:
            job.report.missing(path, section, "says nothing")
            continue
        first = {key: value for key, value in section.items() if key not in (*_LAST, "cache_params")}
        last = {key: section[key] for key in _LAST if key in section}
        if first:
            walk(job, table, first, path)
        if last:
            walk(job, table, last, path)
        if "cache_params" in section:
            cache_params(job, (*path, "cache_params"), section["cache_params"])
    for name, section in document.items():
        if name not in ("include", "model_list", *tables(routing)):
            job.report.missing((str(name),), section, _SECTIONS.get(str(name), "nothing like it is known here"))
    if rows:
        litellm_keys.keys(job, rows, models)
    simplify(job.draft.sections)
    return job
