"""Handlers under /api that try a provider's key: one that is in force, and one that is not stored yet."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import Parameter
from msgspec import Meta

from gateway.config.names import Name, PrivateRowId, RowId
from gateway.config.problems import dotted
from gateway.config.schema import Config, ProviderEntry
from gateway.config.validate import validate
from gateway.control.callers import caller_of
from gateway.control.entity_desk import id_in
from gateway.control.entity_kinds import PROVIDER
from gateway.control.entity_secrets import Unfit, fit, needs_confirmation
from gateway.control.key_trial import KeyVerdict, Trials
from gateway.control.state import ControlState
from gateway.operators.accounts import Caller
from gateway.snapshot.model import Provider
from gateway.snapshot.plan import plan
from gateway.stores.entities import Change
from gateway.stores.protocols import NotFound

Id = Annotated[str, Parameter(max_length=256)]
KeyName = Annotated[str, Parameter(max_length=256)]
ModelToAsk = Annotated[
    Annotated[str, Meta(min_length=1, max_length=256)] | None,
    Meta(
        description="Confirms a generation of one token by this model, which the provider may bill. Null: only what "
        "costs nothing is asked.",
    ),
]


class KeyTrial(msgspec.Struct, forbid_unknown_fields=True):
    """How a key that is in force is tried."""

    model: ModelToAsk = None


class ProviderTrial(msgspec.Struct, forbid_unknown_fields=True):
    """A provider as POST /api/providers takes it, and which of its keys is tried: the first unless named."""

    name: Name
    spec: dict[str, Any] = {}
    allow_private: bool = False
    key: Annotated[str, Meta(max_length=256)] | None = None
    model: ModelToAsk = None


@post(
    "/providers/{entity_id:str}/keys/{key_name:str}/test",
    status_code=200,
    operation_id="test_provider_key",
    summary="Try a key of a provider",
)
async def test_key(request: Request[Any, Any, Any], entity_id: Id, key_name: KeyName, data: KeyTrial) -> KeyVerdict:
    """One question is asked with it within ten seconds: the list of models, where the provider has one."""
    state: ControlState = request.app.state.control
    wanted = id_in(entity_id)
    providers = state.configuration.snapshot.providers.values()
    spec = next((each for each in providers if each.id == wanted), None)
    if spec is None:
        shown = await state.desk.get(PROVIDER, wanted)
        raise Unfit(f"the provider is not in force: {shown.problem or 'a moment'}")
    return await _tried(request, state, spec, key_name, data.model, wanted)


@post("/providers/test", status_code=200, operation_id="test_provider", summary="Try a provider before it is stored")
async def test_provider(request: Request[Any, Any, Any], data: ProviderTrial) -> KeyVerdict:
    """What is sent is judged as if it were to be stored, and forgotten."""
    state: ControlState = request.app.state.control
    config = state.configuration.config or Config()
    spec = await asyncio.to_thread(provider_of, data, config, state.configuration.snapshot.pepper)
    return await _tried(request, state, spec, data.key, data.model, "")


def provider_of(data: ProviderTrial, config: Config, pepper: bytes) -> Provider:
    """As it would be in force. Raises Unfit."""
    given = fit(PROVIDER.spec, data.spec)
    if not data.allow_private and (why := needs_confirmation(given)):
        raise Unfit(f"{why}; send allow_private: true if it is meant")
    members = {field: getattr(given, field) for field in given.__struct_fields__}
    entry = ProviderEntry(**members, id=(PrivateRowId if data.allow_private else RowId)("trial"))
    whole = msgspec.structs.replace(Config(), providers={data.name: entry}, timeouts=config.timeouts)
    for problem in validate(whole):
        if not problem.warning:
            raise Unfit(f"{dotted(problem.path[2:]) or 'spec'}: {problem.message}")
    return plan(whole, pepper).providers[data.name]


async def _tried(
    request: Request[Any, Any, Any], state: ControlState, spec: Provider, key: str | None, model: str | None, known: str
) -> KeyVerdict:
    """The verdict, and a row of the audit: the key was used."""
    try:
        found = await _trials(state).run(spec, key, model)
    except LookupError:
        raise NotFound("the provider has no such key") from None
    caller: Caller = caller_of(request)
    said = {"key": key, "model": model, "ok": found.ok, "status": found.status}
    change = Change(actor=caller.actor, action="test_key", after=msgspec.json.encode(said))
    await asyncio.to_thread(state.database.config.note, change, PROVIDER.name, known, spec.name)
    return found


def _trials(state: ControlState) -> Trials:
    if state.trials is None:
        state.trials = Trials()
    return state.trials


KEY_TRIAL_HANDLERS = (test_key, test_provider)
