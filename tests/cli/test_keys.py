"""``microgate keys``."""

from __future__ import annotations

import hashlib

from click.testing import CliRunner

from gateway.cli.commands import cli
from gateway.virtual_key import generate, is_own


def test_a_generated_key_is_whole_and_its_hash_is_of_all_of_it() -> None:
    done = CliRunner().invoke(cli, ["keys", "generate", "--hash"])
    key, hashed = done.output.split()
    assert is_own(key.encode())
    assert hashed == f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    assert CliRunner().invoke(cli, ["keys", "generate"]).output.strip() != key


def test_the_hash_of_a_key_from_standard_input() -> None:
    done = CliRunner().invoke(cli, ["keys", "hash"], input="sk-of-another-gateway\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.strip() == f"sha256:{hashlib.sha256(b'sk-of-another-gateway').hexdigest()}"


def test_a_mistyped_key_is_hashed_and_remarked_on() -> None:
    key = generate()
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    done = CliRunner().invoke(cli, ["keys", "hash"], input=wrong)
    assert done.exit_code == 0
    assert "checksum is wrong" in done.stderr
    assert wrong not in done.output


def test_nothing_or_two_keys_are_refused() -> None:
    for given in ("", "\n", "one two"):
        assert CliRunner().invoke(cli, ["keys", "hash"], input=given).exit_code == 2
    # A key has no place on the command line, which every user of the machine can read.
    assert CliRunner().invoke(cli, ["keys", "hash", "sk-secret"]).exit_code == 2
