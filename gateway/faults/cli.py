"""``microgate faults``: a provider that fails as it is told, until it is interrupted."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
from typing import Any

import click
import uvloop

from gateway.config.problems import ConfigError
from gateway.faults.proxy import FaultProxy
from gateway.faults.reading import fault, judge, load
from gateway.faults.schema import KINDS, Down, Prices, Setup, UpstreamEntry

EXIT_WRONG = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(), help="Upstreams and faults from a file; then only --control counts.")
@click.option("--upstream", default="", metavar="URL", help="Stand before this provider.  [play one]")
@click.option("--listen", default="127.0.0.1:9001", show_default=True, help="Address and port, or port.")
@click.option("--fault", "specs", multiple=True, metavar="KIND[:VALUE][,FIELD=VALUE...]", help="May occur repeatedly.")
@click.option("--share", type=click.FloatRange(0, 1), help="Probability of the faults that do not say one.  [1]")
@click.option("--control", type=click.IntRange(0, 65535), help="Port of the control API on 127.0.0.1.")
@click.option("--seed", type=int, help="For the same dice each time.")
@click.option("--prompt-price", default=0, help="Nano-dollars a token.", show_default=True)
@click.option("--completion-price", default=0, help="Nano-dollars a token.", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one line of JSON, for programs.")
def command(config: str | None, control: int | None, as_json: bool, **chosen: Any) -> None:
    """Stand before a provider, or play one, and fail as told: for tests of your own set-up.

    The faults are described in docs/faults.md; microgate faults --fault help lists them.
    """
    if "help" in chosen["specs"]:
        for kind, known in KINDS.items():
            click.echo(f"{kind:14} {' '.join(str(known.__doc__).split())}")
        return
    try:
        setup = load(config) if config is not None else _from_options(control, **chosen)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem.render(error.source), err=True)
        sys.exit(EXIT_WRONG)
    if control is not None:
        setup = Setup(setup.upstreams, control=control, seed=setup.seed, id_headers=setup.id_headers)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(setup, as_json))
        except OSError as error:
            click.echo(f"cannot listen: {error}", err=True)
            sys.exit(EXIT_WRONG)


def _from_options(
    control: int | None,
    upstream: str,
    listen: str,
    specs: tuple[str, ...],
    share: float | None,
    seed: int | None,
    prompt_price: int,
    completion_price: int,
) -> Setup:
    faults = []
    for spec in specs:
        # What a fault says of itself counts more; nobody can be down for a share of the calls.
        alone = fault(spec)
        shared = share is not None and not isinstance(alone, Down) and "share=" not in spec
        faults.append(fault(spec, share=share) if shared else alone)
    prices = Prices(prompt_nanodollars=prompt_price, completion_nanodollars=completion_price)
    entry = UpstreamEntry(listen=listen, to=upstream, prices=prices, faults=faults)
    setup = Setup(upstreams={"provider": entry}, control=control, seed=seed)
    problems = judge(setup)
    if problems:
        raise ConfigError("microgate faults", problems)
    return setup


async def _serve(setup: Setup, as_json: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    proxy = FaultProxy(setup)
    await proxy.start()
    try:
        _say(proxy, setup, as_json)
        await stop.wait()
    finally:
        await proxy.close()


def _say(proxy: FaultProxy, setup: Setup, as_json: bool) -> None:
    urls = {name: upstream.url for name, upstream in proxy.upstreams.items()}
    if as_json:
        click.echo(json.dumps({"upstreams": urls, "control": proxy.control_url}))
    else:
        for name, url in urls.items():
            entry = setup.upstreams[name]
            kinds = ", ".join(str(type(each).__struct_config__.tag) for each in entry.faults) or "no faults"
            click.echo(f"{name}: {url} {'before ' + entry.to if entry.to else 'plays a provider'}, {kinds}")
        if proxy.control_url:
            click.echo(f"control: {proxy.control_url}")
    sys.stdout.flush()
