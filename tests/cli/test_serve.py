"""The options of ``serve``: command line over environment, clear words for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gateway.cli.serve import OPTIONS, UsageError, parse, usage
from gateway.processes.context import ServeOptions


def test_defaults() -> None:
    assert parse([], {}) == ServeOptions()
    assert ServeOptions().host == "127.0.0.1"


def test_all_options_both_spellings() -> None:
    wanted = ServeOptions(
        config_file="f.yaml",
        host="::1",
        port=0,
        workers=4,
        data_dir="/d",
        demo=True,
        log_level="debug",
        database="postgresql://h/n",
        request_log="postgresql://h/l",
    )
    line = "--config f.yaml --host ::1 --port 0 --workers 4 --data-dir /d --demo --log-level DEBUG "
    line += "--database postgresql://h/n --request-log postgresql://h/l"
    assert parse(line.split(), {}) == wanted
    assert parse(line.replace("-level ", "-level=").replace("--port ", "--port=").split(), {}) == wanted
    environ = {
        "MICROGATE_CONFIG": "f.yaml",
        "MICROGATE_HOST": "::1",
        "MICROGATE_PORT": "0",
        "MICROGATE_WORKERS": "4",
        "MICROGATE_DATA_DIR": "/d",
        "MICROGATE_DEMO": "yes",
        "MICROGATE_LOG_LEVEL": "debug",
        "MICROGATE_DATABASE": "postgresql://h/n",
        "MICROGATE_REQUEST_LOG": "postgresql://h/l",
    }
    assert {option.variable for option in OPTIONS} == set(environ)
    assert parse([], environ) == wanted


def test_the_command_line_wins() -> None:
    assert parse(["--port", "1"], {"MICROGATE_PORT": "2"}).port == 1
    assert parse(["--demo"], {"MICROGATE_DEMO": "no"}).demo


def test_the_event_loop_is_an_environment_matter() -> None:
    assert parse([], {"MICROGATE_LOOP": "asyncio"}).loop == "asyncio"
    with pytest.raises(UsageError, match="MICROGATE_LOOP"):
        parse([], {"MICROGATE_LOOP": "trio"})


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["--prot", "1"], {}, "unknown option --prot"),
        (["8080"], {}, "unknown option 8080"),
        (["--port"], {}, "--port needs a value"),
        (["--port", "x"], {}, "--port: 'x' is not a number from 0 to 65535"),
        (["--port", "65536"], {}, "65535"),
        (["--port", "\u0663"], {}, "65535"),
        (["--workers", "0"], {}, "1 to 256"),
        (["--demo=yes"], {}, "--demo takes no value"),
        (["--log-level", "loud"], {}, "one of debug, info"),
        (["--config", ""], {}, "--config: '' is not a path"),
        ([], {"MICROGATE_WORKERS": "many"}, "MICROGATE_WORKERS: 'many'"),
        ([], {"MICROGATE_DEMO": "maybe"}, "neither yes nor no"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments, environ)
    assert message in str(caught.value)


def test_what_may_hold_a_password_is_not_repeated() -> None:
    with pytest.raises(UsageError, match="--database: the value is not postgresql://") as caught:
        parse(["--database", "mysql://user:hunter2@h/n"], {})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(parse(["--database", "postgresql://user:hunter2@h/n"], {}))


def test_help_names_every_option() -> None:
    assert all(option.flag in usage() and option.help in usage() for option in OPTIONS)


def microgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_wrong_option_ends_with_status_2() -> None:
    done = microgate("serve", "--prot", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "microgate: unknown option --prot; see microgate serve --help\n"


def test_help_of_serve() -> None:
    for arguments in (("serve", "--help"), ("serve", "-h"), ("serve", "--port", "1", "--help")):
        done = microgate(*arguments)
        assert (done.returncode, done.stdout) == (0, usage() + "\n")


def test_the_other_commands_are_listed() -> None:
    done = microgate("--help")
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in ("bench", "check", "doctor", "models", "schema", "serve"))


def test_schema_is_json() -> None:
    done = microgate("schema")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["$schema"].startswith("https://json-schema.org/")


def test_serve_imports_no_framework() -> None:
    code = "import sys, gateway.cli.main, gateway.cli.serve, gateway.supervisor, gateway.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(
        {"click", "rich", "rich_click", "litestar", "uvicorn", "sqlalchemy", "yaml", "cryptography"}
    )
