"""Secrets and authorisation, where the guarding tests are the measurement: what can be counted rather than timed."""

from __future__ import annotations

from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded

REDACTION = "tests/live/test_redaction.py"
AT_REST = "tests/live/test_at_rest.py"


@figure("H1", guard=AT_REST)
def at_rest(quick: bool) -> Outcome:
    """A gateway with keys, a provider, an operator and a token; its files and a backup are searched."""
    return guarded(
        f"{AT_REST}::test_no_secret_lies_in_any_file",
        f"{AT_REST}::test_keys_are_random_and_have_a_form",
        quick=quick,
    )


@figure("H2", guard=AT_REST)
def digests(quick: bool) -> Outcome:
    """Whatever the database holds is presented, in every spelling, wherever a credential may stand."""
    return guarded(
        f"{AT_REST}::test_nothing_that_is_stored_is_a_credential",
        "tests/live/test_keys.py::test_what_is_stored_opens_nothing",
        quick=quick,
    )


@figure("H3", guard="tests/test_core.py")
def long_prefixes(quick: bool) -> Outcome:
    """Keys of 4,011 characters that differ in the last eight, and near misses of each, twice, in random order."""
    return guarded(
        "tests/test_core.py::test_keys_that_share_long_prefixes_are_told_apart",
        "tests/live/test_keys.py::test_keys_that_begin_alike_are_not_taken_for_each_other",
        quick=quick,
    )


@figure("H5", guard="tests/secrets/test_envelope.py")
def envelopes(quick: bool) -> Outcome:
    """Ciphertexts moved and damaged, by themselves and in the database of a gateway."""
    return guarded(
        "tests/secrets/test_envelope.py",
        "tests/secrets/test_bodies.py",
        "tests/snapshot/test_sealing.py",
        "tests/live/test_providers_api.py::test_rows_that_change_places_are_refused",
        quick=quick,
    )


@figure("H6", guard="tests/live/test_providers_api.py")
def rotation(quick: bool) -> Outcome:
    """Control is killed at random while it encrypts twelve providers anew; then it starts without the key."""
    file = "tests/live/test_providers_api.py"
    return guarded(
        f"{file}::test_rotation_survives_being_killed_and_old_keys_can_go",
        f"{file}::test_without_its_master_key_it_does_not_start",
        "tests/secrets/test_master_key.py",
        quick=quick,
    )


@figure("H8", guard=REDACTION)
def redaction(quick: bool) -> Outcome:
    """Every way in which a request can end, and every place where operators put a secret; hooks and traces are yet to
    come and will stand there too."""
    return guarded(REDACTION, quick=quick)


@figure("H9", guard="tests/project/test_sql.py")
def statements(quick: bool) -> Outcome:
    """What statements are made of, by the linter and by a reading of every call; hostile text in every field."""
    return guarded("tests/project/test_sql.py", "tests/control/test_hostile_input.py", quick=quick)


@figure("H13", guard="tests/project/test_no_code.py")
def no_code(quick: bool) -> Outcome:
    """What could make code of text is looked for in every module, and in the types that the API takes."""
    return guarded("tests/project/test_no_code.py", quick=quick)


@figure("H14", guard="tests/corpus/test_ssrf_targets.py")
def forged_requests(quick: bool) -> Outcome:
    """The corpus row by row; a resolver whose answers change; bodies with addresses in them before two traps."""
    return guarded(
        "tests/corpus/test_ssrf_targets.py",
        "tests/upstream/test_dial.py",
        "tests/live/test_values.py::test_no_body_can_name_a_host",
        quick=quick,
    )


@figure("H17", guard="tests/live/test_fresh_install.py")
def fresh_install(quick: bool) -> Outcome:
    """``microgate serve`` with a port and nothing else."""
    return guarded("tests/live/test_fresh_install.py", "tests/control/test_admin_token.py", quick=quick)


@figure("H18", guard=REDACTION)
def error_text(quick: bool) -> Outcome:
    """The errors among the answers of H8, and those to hostile input."""
    return guarded(REDACTION, "tests/control/test_hostile_input.py", quick=quick)


@figure("H20", guard="tests/live/test_modes.py")
def modes(quick: bool) -> Outcome:
    """Started with umask 0."""
    return guarded("tests/live/test_modes.py", quick=quick)
