"""Tables of LiteLLM's other sections: what becomes of each setting."""

from __future__ import annotations

from typing import Any

from gateway.cli.importing.draft import variable_in
from gateway.cli.importing.litellm_routing import Routing
from gateway.cli.importing.tables import REDACTED, Job, Rule, Table, lost, put, seconds, unneeded, whole, yes_or_no
from gateway.config.problems import Path

_LATER = "nothing like it is built yet"
_OWN = "LiteLLM's own machinery"
_NO_CODE = "no Python of the operator's runs in the gateway"


def _attempts(value: Any) -> int:
    retries = whole(value)
    if not 0 <= retries <= 19:
        raise ValueError("at most 20 attempts are made")
    return retries + 1


def _failures(value: Any) -> int:
    found = whole(value) + 1
    if not 1 <= found <= 1000:
        raise ValueError("between 1 and 1000 failures in a row eject a deployment")
    return found


def _dropping(job: Job, path: Path, value: Any) -> None:
    if value is True:
        job.report.carried(path, value, "providers.*.unsupported")
        return
    for entry in job.draft.section("providers").values():
        entry["unsupported"] = "error"
    job.report.carried(path, value, "providers.*.unsupported")


def _request_timeout(job: Job, path: Path, value: Any) -> None:
    try:
        limit = seconds(value)
    except ValueError as error:
        job.report.missing(path, value, str(error))
        return
    timeouts = job.draft.section("timeouts")
    timeouts["first_byte"] = limit
    if float(value) > 600:
        timeouts["total"] = limit
    note = "holds until the first byte of an answer; timeouts.total bounds the whole request"
    job.report.changed(path, value, "timeouts.first_byte", note)


_RETRIES = put("retry", "attempts", by=_attempts, note="attempts in all, the first and fallbacks included")
_REDIS = lost("workers share what they know in memory; nothing is kept in Redis but answers (cache.store)")
_STATUSES = lost("retry.statuses says which errors are worth another attempt, for all models")
_CHECKS = lost("deployments are judged by what callers' requests find, and probed by one of them")
_STREAM_TIMEOUT = put("timeouts", "first_token", by=seconds, note="holds until the first content of a stream")
_ANSWERS = "each virtual key has its own answers; cache.scope: all shares them"
_CALLBACKS = {"prometheus": "/metrics", "otel": "OpenTelemetry: docs/metrics.md"}


def _callbacks(job: Job, path: Path, value: Any) -> None:
    listed = value if isinstance(value, list) else [value]
    for i, name in enumerate(listed):
        here = (*path, i) if isinstance(value, list) else path
        if str(name) in _CALLBACKS:
            job.report.changed(here, name, _CALLBACKS[str(name)], "with names of the gateway's own")
        else:
            job.report.missing(here, name, "records are kept in the request log (/api/logs) and counted in /metrics")
    if not listed:
        job.report.missing(path, value, "says nothing")


def tables(routing: Routing) -> dict[str, Table]:
    """Section -> setting -> rule. Settings about routes stand in two sections, and mean the same."""

    def of_routes(method: Any) -> Rule:
        return lambda _job, path, value: method(path, value)

    shared: dict[str, Rule] = {
        "fallbacks": of_routes(routing.fallbacks),
        "default_fallbacks": of_routes(routing.default_fallbacks),
        "context_window_fallbacks": of_routes(routing.context_window_fallbacks),
        "content_policy_fallbacks": lost("an answer that was refused for its content is the answer"),
        "num_retries": _RETRIES,
        "allowed_fails": put("health", "consecutive", by=_failures, note="failures in a row, not in a minute"),
        "cooldown_time": put("health", "rest", by=seconds, note="longer each time it is ejected again, up to rest_max"),
        "model_group_alias": of_routes(routing.aliases),
        "set_verbose": lost("log.level says how much is logged"),
    }
    return {
        "litellm_settings": {
            **shared,
            "drop_params": _dropping,
            "request_timeout": _request_timeout,
            "callbacks": _callbacks,
            "success_callback": _callbacks,
            "failure_callback": _callbacks,
            "service_callback": _callbacks,
            "audit_log_callbacks": _callbacks,
            "json_logs": put("log", "format", by=lambda value: "json" if yes_or_no(value) else "text"),
            "turn_off_message_logging": unneeded("what was asked and answered is kept only where log.content says so"),
            "default_team_settings": lost("callbacks of teams: records are kept in the request log"),
            "max_budget": lost("budgets belong to virtual keys, teams and customers; a customer can hold all of them"),
            "budget_duration": lost("budgets belong to virtual keys, teams and customers"),
            "modify_params": lost("requests are translated, not mended"),
            "max_internal_user_budget": lost("operators spend nothing"),
            "internal_user_budget_duration": lost("operators spend nothing"),
            "upperbound_key_generate_params": lost("operators make keys as they see fit; the audit log says who did"),
            "default_internal_user_params": lost("operators have roles: docs/operators.md"),
            "guardrails": lost(_LATER),
            "custom_provider_map": lost(_NO_CODE),
            "cache": put("cache", "enabled", by=yes_or_no, note=_ANSWERS),
        },
        "router_settings": {
            **shared,
            "routing_strategy": of_routes(routing.strategy),
            "enable_tag_filtering": of_routes(routing.tag_filtering),
            "tag_filtering_match_any": unneeded("one tag of several is enough"),
            "timeout": _request_timeout,
            "stream_timeout": _STREAM_TIMEOUT,
            "disable_cooldowns": lost("deployments in trouble rest; an only one never does"),
            "retry_after": put("retry", "backoff_initial", by=_pause, note="doubles with each attempt, with jitter"),
            "max_fallbacks": lost("retry.attempts counts fallbacks as well"),
            "retry_policy": _STATUSES,
            "model_group_retry_policy": _STATUSES,
            "allowed_fails_policy": lost("health says when a deployment rests, whatever the failure was"),
            "enable_pre_call_checks": lost("a target's condition (when) can look at prompt_tokens"),
            "optional_pre_call_checks": lost("prompt_cache_affinity of a provider keeps prompts with their beginning"),
            **dict.fromkeys(("redis_host", "redis_port", "redis_password", "redis_url", "redis_db"), _REDIS),
            "provider_budget_config": lost("budgets belong to virtual keys, teams and customers"),
            "debug_level": put("log", "level", by=_level),
            "default_max_parallel_requests": lost("max_concurrency is a provider's, for each worker"),
            "cache_responses": put("cache", "enabled", by=yes_or_no, note=_ANSWERS),
        },
        "general_settings": {
            "master_key": _master_key,
            "database_url": lost("the gateway has a database of its own (--database); keys are imported with --keys"),
            "store_model_in_db": unneeded("what is made in the browser or by the API is kept in the database"),
            "alerting": lost("alerts go to webhooks: docs/operators.md"),
            "alerting_threshold": lost("alerts go to webhooks: docs/operators.md"),
            "alert_types": lost("alerts go to webhooks: docs/operators.md"),
            "max_request_size_mb": put("server", "limits", "json_body_bytes", by=_megabytes),
            "max_response_size_mb": put("server", "limits", "response_json_bytes", by=_megabytes),
            "maximum_spend_logs_retention_period": put("log", "retention", by=_text),
            "background_health_checks": _CHECKS,
            "health_check_interval": _CHECKS,
            "custom_auth": lost(_NO_CODE),
            "pass_through_endpoints": lost("every provider can be passed through to, under /passthrough/"),
            "allowed_routes": lost("what is answered is a closed table; keys say which models they may use"),
            "user_header_name": lost("who asks is said by the virtual key"),
            "global_max_parallel_requests": lost("server.overload.under_way bounds each worker"),
            "max_parallel_requests": lost("limits of concurrency belong to virtual keys, teams and customers"),
            "proxy_batch_write_at": lost(_OWN),
            "disable_spend_logs": lost("every request is recorded; log.retention says for how long"),
            "store_prompts_in_spend_logs": put(
                "log", "content", by=lambda value: "full" if yes_or_no(value) else "metadata", note=REDACTED
            ),
            "forward_client_headers_to_llm_api": lost("forward_headers of a provider names the fields"),
            "infer_model_from_keys": lost("providers are named in the file"),
            "enable_jwt_auth": lost(_LATER),
            "litellm_jwtauth": lost(_LATER),
            "key_management_system": lost("secrets are references to variables and files"),
            "ui_access_mode": lost("operators have roles: docs/operators.md"),
        },
    }  # fmt: skip


def _pause(value: Any) -> str:
    found = seconds(value)
    if not 0 < float(value) <= 2:
        raise ValueError("pauses are retry.backoff_initial and backoff_max, up to 2s by default")
    return found


def _level(value: Any) -> str:
    level = str(value).lower()
    if level not in ("debug", "info", "warning", "error"):
        raise ValueError("there is: debug, info, warning, error")
    return level


def _megabytes(value: Any) -> str:
    return f"{whole(value)}MiB"


def _text(value: Any) -> str:
    from gateway.config.units import parse_duration

    parse_duration(value)
    return str(value)


def _master_key(job: Job, path: Path, value: Any) -> None:
    """Callers may hold it, so it goes on being accepted from them; administration has credentials of its own."""
    try:
        key = job.draft.value(value)
    except ValueError:
        job.report.missing(path, value, "no text")
        return
    if variable_in(value) is None:
        job.report.remark("general_settings.master_key stands in clear in the file: put it into a variable (env.NAME)")
    job.draft.items("virtual_keys").append({"name": "master", "value": key})
    note = "a virtual key that may ask for everything; the admin API has operators and tokens of its own"
    job.report.changed(path, value, "virtual_keys[].value", note)
