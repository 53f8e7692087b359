"""Who may do what: routes, properties and objects, each row of the table tried with every role."""

from __future__ import annotations

from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded

TABLE = "tests/control/test_permissions.py"


@figure("H10", guard=TABLE)
def functions(quick: bool) -> Outcome:
    """Role x route x method."""
    tests = (
        "test_every_route_is_declared_as_it_is_meant_and_nothing_else",
        "test_an_undeclared_route_is_noticed",
        "test_what_is_not_declared_is_nobodys",
        "test_each_role_may_what_the_table_says",
    )
    return guarded(*(f"{TABLE}::{name}" for name in tests), quick=quick)


@figure("H11", guard=TABLE)
def properties(quick: bool) -> Outcome:
    """Each writable member, sent by who may not; each member that the gateway makes; roles of tokens."""
    tests = (
        "test_no_member_is_set_by_whoever_may_not",
        "test_what_the_gateway_makes_is_nobodys_to_set",
        "test_nobody_gives_a_token_more_than_they_have",
    )
    return guarded(*(f"{TABLE}::{name}" for name in tests), quick=quick)


@figure("H12", guard=TABLE)
def objects(quick: bool) -> Outcome:
    """Operators' tokens through the admin API; files, batches and stored answers of callers through every dialect."""
    others = (
        "tests/live/test_objects.py::test_no_path_leads_to_anothers_object",
        "tests/live/test_objects.py::test_no_body_leads_to_anothers_object",
        "tests/live/test_objects.py::test_no_batch_query_or_whole_item_leads_there_either",
        "tests/live/test_objects.py::test_objects_of_two_accounts_do_not_meet",
        "tests/live/test_objects_anthropic.py::test_another_tenants_ids_lead_nowhere",
    )
    tests = ("test_the_tokens_of_others_are_not_there", "test_what_is_not_there_is_404_on_every_path")
    return guarded(*(f"{TABLE}::{name}" for name in tests), *others, quick=quick)
