import pytest

from gateway.demo.scenario import MAX_DELAY, Scenario, from_model, from_request


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("echo", Scenario(echo=True)),
        ("demo/echo", Scenario(echo=True)),
        ("gpt-4o-mini", Scenario()),
        ("slow-2s", Scenario(delay=2)),
        ("slow-250ms", Scenario(delay=0.25)),
        ("echo+ttft-300ms+pace-20ms", Scenario(echo=True, ttft=0.3, pace=0.02)),
        ("error-429", Scenario(status=429)),
        ("error-200", Scenario()),
        ("flaky-3", Scenario(flaky=3)),
        ("words-7+think-2", Scenario(words=7, thinking=2)),
        ("cut-stream+after-5", Scenario(fault="cut", after=5)),
        ("html-error", Scenario(fault="html")),
        ("slow-9999999s", Scenario(delay=MAX_DELAY)),
    ],
)
def test_a_models_name_says_what_happens(name: str, scenario: Scenario) -> None:
    assert from_model(name) == scenario


def test_the_demo_object_wins_over_the_name() -> None:
    asked = {"delay_ms": 5, "status": 503, "fault": "cut-stream", "unknown": 1}
    assert from_request("echo+slow-2s", {"demo": asked}) == Scenario(echo=True, delay=0.005, status=503, fault="cut")


def test_members_of_the_wrong_type_are_harmless() -> None:
    assert from_request("echo", {"demo": {"delay_ms": "x", "status": "y", "words": None}}) == Scenario(echo=True)
    assert from_request("echo", {"demo": [1]}) == Scenario(echo=True)
