"""The commands besides ``serve``. Each imports what it needs when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module

import click

from gateway import __version__
from gateway.cli.serve import usage as usage_of_serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="microgate")
def cli() -> None:
    """An LLM gateway that costs microseconds."""


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Run the gateway."""
    # Reached with --help only: main.py takes every other ``serve``.
    click.echo(usage_of_serve())


def _of_database(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which control database is meant."""
    for option, variable in (("--database", "MICROGATE_DATABASE"), ("--data-dir", "MICROGATE_DATA_DIR")):
        command = click.option(option, default="", envvar=variable, help="As for serve.")(command)
    return command


@cli.command()
@click.argument("file", type=click.Path())
@_of_database
def check(file: str, **where: str) -> None:
    """Validate a configuration FILE and say what is wrong with it, line by line; with one of the options also what
    becomes of the entities of that database beside it."""
    where_ = import_module("gateway.cli.merged").Where(**where)
    sys.exit(import_module("gateway.cli.check").check_file(file, sys.stdout, where=where_))


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--config", default="", help="The file in force; without it the running gateway says which that is.")
@_of_database
def diff(file: str, config: str, **where: str) -> None:
    """Show what the configuration FILE would change. Exits with 0 when that is nothing, 1 when it is something, 2 when
    it cannot be told."""
    where_ = import_module("gateway.cli.merged").Where(**where)
    sys.exit(import_module("gateway.cli.diff").diff(file, config, where_, sys.stdout))


@cli.command()
@click.option("--config", default="", envvar="MICROGATE_CONFIG", help="As for serve.")
@_of_database
def export(config: str, **where: str) -> None:
    """Print file and database as one configuration file, secrets as references to variables."""
    where_ = import_module("gateway.cli.merged").Where(**where)
    sys.exit(import_module("gateway.cli.export").export(config, where_, sys.stdout))


@cli.group("import")
def import_() -> None:
    """Make a configuration of ours out of another gateway's. Exits with 0 when everything was carried over, 2 when
    something has no equivalent, 1 when nothing was written."""


def _importing(command: Callable[..., None]) -> Callable[..., None]:
    """Options of an import."""
    form = click.Choice(["text", "json"])
    command = click.option("--report", default="text", type=form, show_default=True, help="What became of what.")(
        command
    )
    return click.option("--output", default="", help="File to write; without it both go to the terminal.")(command)


@import_.command("litellm")
@click.argument("file", type=click.Path())
@_importing
@click.option("--keys", default="", help="CSV or JSON of its virtual keys: token (SHA-256), key_alias, models, ...")
def import_litellm(file: str, output: str, report: str, keys: str) -> None:
    """Import FILE, a config.yaml of the LiteLLM proxy."""
    sys.exit(import_module("gateway.cli.importing.command").run("litellm", file, output, report, keys, sys.stdout))


@import_.command("bifrost")
@click.argument("file", type=click.Path())
@_importing
def import_bifrost(file: str, output: str, report: str) -> None:
    """Import FILE, a config.json of Bifrost."""
    sys.exit(import_module("gateway.cli.importing.command").run("bifrost", file, output, report, "", sys.stdout))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    click.echo(import_module("gateway.config.jsonschema").schema_text())


@cli.command()
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
@click.option("--host", default="127.0.0.1", envvar="MICROGATE_HOST", help="As for serve.")
@click.option("--port", default=8080, envvar="MICROGATE_PORT", help="As for serve.")
def doctor(data_dir: str, host: str, port: int) -> None:
    """Look at this installation and this machine, and name what is in the way."""
    sys.exit(import_module("gateway.cli.doctor").report(sys.stdout, data_dir, host, port))


@cli.command()
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
def upgrade(data_dir: str) -> None:
    """Let the running gateway be replaced by what is installed now, without refusing a caller."""
    sys.exit(import_module("gateway.cli.upgrade").upgrade(data_dir))


@cli.group()
def keys() -> None:
    """Virtual keys, without a running gateway."""


@keys.command("generate")
@click.option("--hash", "with_hash", is_flag=True, help="Print its hash behind it, for the file.")
def keys_generate(with_hash: bool) -> None:
    """Print a new virtual key; it is stored nowhere."""
    sys.exit(import_module("gateway.cli.keys").generate(with_hash, sys.stdout))


@keys.command("hash")
def keys_hash() -> None:
    """Read a key from standard input and print its hash, as `hash` of a virtual key takes it."""
    sys.exit(import_module("gateway.cli.keys").print_hash(sys.stdin, sys.stdout))


@cli.group(invoke_without_command=True)
@click.option("--by", default="", help="Dimensions, comma-separated: key,team,customer,provider,model,day,month ...")
@click.option("--since", default="", help="2026-11-22, 2026-11-22T10:00 (UTC), or how long ago: 7d.")
@click.option("--until", default="", help="Up to then.")
@click.option("--key", default="", help="Of this virtual key only.")
@click.option("--team", default="")
@click.option("--customer", default="")
@click.option("--provider", default="")
@click.option("--model", default="", help="As asked or as sent.")
@click.option("--format", type=click.Choice(["table", "json", "csv"]), default="table")
@_of_database
@click.pass_context
def usage(context: click.Context, /, **options: str) -> None:
    """Report what was used and what it cost, from the ledger."""
    if context.invoked_subcommand is None:
        found = import_module("gateway.cli.usage")
        sys.exit(found.report(found.Asked(**options), sys.stdout))


@usage.command()
@click.argument("file", type=click.Path())
@click.option("--since", default="", help="Compare from then on; else the days and months, or requests, of the file.")
@click.option("--until", default="", help="Up to then.")
@click.option("--provider", default="", help="The file is of this provider only.")
@_of_database
def reconcile(file: str, **options: str) -> None:
    """Hold the ledger against FILE, a CSV of what it cost; fails when they differ by more than 0.1 %."""
    asked = import_module("gateway.cli.usage").Asked(**options)
    sys.exit(import_module("gateway.cli.reconcile").reconcile(file, asked, sys.stdout))


@cli.command()
@click.argument("file", type=click.Path())
@_of_database
def backup(file: str, data_dir: str, database: str) -> None:
    """Copy the control database into the new FILE, beside a running gateway."""
    sys.exit(import_module("gateway.cli.backup").back_up(file, data_dir, database, sys.stdout))


@cli.command()
@click.argument("file", type=click.Path())
@_of_database
def restore(file: str, data_dir: str, database: str) -> None:
    """Put the copy FILE in the place of the control database of a gateway that does not run."""
    sys.exit(import_module("gateway.cli.backup").put_back(file, data_dir, database, sys.stdout))


@cli.group()
def secrets() -> None:
    """Master keys, which encrypt the secrets in the database."""


@secrets.command("generate")
def secrets_generate() -> None:
    """Print a new master key; it is stored nowhere."""
    sys.exit(import_module("gateway.cli.secrets").generate(sys.stdout))


@secrets.command("status")
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
def secrets_status(data_dir: str) -> None:
    """Show the master keys of the running gateway, by their ids, and which are in use."""
    sys.exit(import_module("gateway.cli.secrets").show(data_dir, sys.stdout))


@secrets.command("rotate")
@click.option("--drop", is_flag=True, help="Drop keys from master.key that nothing in the database needs any more.")
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
def secrets_rotate(data_dir: str, drop: bool) -> None:
    """Have the running gateway encrypt every secret with a new master key."""
    sys.exit(import_module("gateway.cli.secrets").rotate(data_dir, drop, sys.stdout))


@cli.group()
def cache() -> None:
    """Answers that the running gateway keeps."""


def _of_caller(command: Callable[..., None]) -> Callable[..., None]:
    """Options of who asks the gateway as its callers do."""
    command = click.option("--key", default="", envvar="MICROGATE_KEY", help="A virtual key; better in the variable.")(
        command
    )
    return click.option(
        "--url", default="http://127.0.0.1:8080", show_default=True, envvar="MICROGATE_URL", help="Of the gateway."
    )(command)


@cache.command("stats")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
def cache_stats(as_json: bool, data_dir: str) -> None:
    """Report what is kept, and what it has been good for."""
    sys.exit(import_module("gateway.cli.cache").stats(data_dir, as_json, sys.stdout))


@cache.command("clear")
@click.option("--virtual-key", default="", help="Forget the answers of this virtual key, by its name or id.")
@click.option("--team", default="")
@click.option("--customer", default="")
@click.option("--partition", default="", help="Of these, what callers asked for with this x-microgate-cache-scope.")
@click.option("--yes", is_flag=True, help="Do not ask before all answers are forgotten.")
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
def cache_clear(yes: bool, data_dir: str, **named: str) -> None:
    """Have the running gateway forget the answers of one virtual key, team or customer, or all."""
    if not yes and not any(named.values()):
        click.confirm("Forget all answers?", abort=True)
    sys.exit(import_module("gateway.cli.cache").clear(named, data_dir, sys.stdout))


@cache.command("warm")
@click.argument("file", type=click.Path())
@_of_caller
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests at a time.")
@click.option("--refresh", is_flag=True, help="Also those whose answers are known.")
def cache_warm(file: str, url: str, key: str, concurrency: int, refresh: bool) -> None:
    """Send the requests of FILE through the running gateway, so that their answers are known. A line is a chat body, or
    {"path": ..., "body": {...}, "headers": {...}}. Lines whose answers are known cost nothing: it may be repeated."""
    sys.exit(import_module("gateway.cli.cache_warm").warm(file, url, key, concurrency, refresh, sys.stdout))


@cache.command("explain")
@click.argument("request", type=click.Path(allow_dash=True))
@_of_caller
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def cache_explain(request: str, url: str, key: str, as_json: bool) -> None:
    """Say what the cache would answer to the request in the file REQUEST (-: standard input), a chat body or as a line
    for warm; no provider is asked."""
    sys.exit(import_module("gateway.cli.cache").explain(request, url, key, as_json, sys.stdout))


@cli.group()
def prices() -> None:
    """What models cost."""


@prices.command("show")
@click.argument("model", default="")
@click.option(
    "--config", default="", envvar="MICROGATE_CONFIG", help="Configuration file; without one: the bundled lists."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def prices_show(model: str, config: str, as_json: bool) -> None:
    """Print the prices of a provider's models, or of one (PROVIDER/MODEL), and who says so."""
    sys.exit(import_module("gateway.cli.prices").show(model, config, as_json, sys.stdout))


def _of_figures(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each figure that a price rule can have."""
    for figure in reversed(import_module("gateway.cli.price_rules").FIGURES):
        command = click.option(f"--{figure.replace('_', '-')}", figure, metavar="USD")(command)
    return command


@prices.command("set")
@click.argument("model")
@_of_figures
@click.option("--key", "keys", multiple=True, help="For this virtual key only; may be given several times.")
@click.option("--remove", is_flag=True, help="Take the rule away again.")
@click.option("--data-dir", default="", envvar="MICROGATE_DATA_DIR", help="As for serve.")
def prices_set(model: str, keys: tuple[str, ...], remove: bool, data_dir: str, **figures: str | None) -> None:
    """Say what MODEL (PROVIDER/MODEL; a * at the end stands for any) costs at the running gateway, in USD for a million
    tokens, or for one request or search."""
    given = {name: value for name, value in figures.items() if value is not None}
    found = import_module("gateway.cli.price_rules")
    sys.exit(found.set_price(model, given, keys, remove, data_dir, sys.stdout))


@prices.command("refresh")
@click.option("--date", "taken", default=lambda: datetime.now(UTC).date().isoformat(), help="Day of the prices; today.")
def prices_refresh(taken: str) -> None:
    """Make the price lists anew from the packages that carry them; running instances take them over."""
    sys.exit(import_module("gateway.cli.models").make(taken, sys.stdout))


@cli.group()
def models() -> None:
    """What is known of models: sizes, capabilities, prices."""


@models.command("list")
@click.argument("provider", default="")
@click.option("--json", "as_json", is_flag=True, help="The whole data instead of a table.")
def models_list(provider: str, as_json: bool) -> None:
    """Show the models of one PROVIDER, or the providers of whose models something is known."""
    sys.exit(import_module("gateway.cli.models").show(provider, as_json, sys.stdout))


@models.command("refresh")
@click.option(
    "--date", "taken", default=lambda: datetime.now(UTC).date().isoformat(), help="Day whose prices count.  [today]"
)
def models_refresh(taken: str) -> None:
    """Make the bundled facts anew from the packages that are installed (pip install 'microgate[facts]')."""
    sys.exit(import_module("gateway.cli.models").make(taken, sys.stdout))


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Send requests to a URL at an even rate and report latency percentiles."""
    sys.exit(import_module("gateway.loadgen.cli").main(list(arguments)))


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def faults(arguments: tuple[str, ...]) -> None:
    """Stand before a provider, or play one, and fail as told."""
    import_module("gateway.faults.cli").command(list(arguments), prog_name="microgate faults")
