"""What a relay understands of realtime events, and that nothing a peer sends can confuse it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.realtime import FORMS, GeminiForm, OpenAIForm, setup_of, with_model

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "session", "model", "Model", "audio", "input", "transcription", "setup", "usage",
                         "response", "usageMetadata", "serverContent", "input_tokens", "promptTokenCount", "x"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def judge(event: Any, allowed: tuple[str, ...] = ()) -> Any:
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    return OpenAIForm().judge(data, "mine", "theirs", lambda name: name in allowed)


@pytest.mark.parametrize("form", FORMS.values())
@given(st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40)))
def test_nothing_that_is_sent_raises(form: Any, data: bytes) -> None:
    made = form()
    made.listen(data)
    judged = made.judge(data, "mine", "theirs", lambda name: False)
    assert judged.refusal or judged.data
    setup_of(data)
    usage = made.usage
    assert min(usage.input_tokens, usage.output_tokens, usage.audio_in_tokens) >= 0


@given(JSON)
def test_an_event_that_goes_on_names_no_other_model(event: Any) -> None:
    judged = judge(event)
    if judged.refusal:
        return
    sent = json.loads(judged.data)
    session = sent.get("session")
    if isinstance(session, dict):
        assert session.get("model", "theirs") == "theirs"
        audio = session.get("audio")
        heard = audio.get("input") if isinstance(audio, dict) else None
        spoken = heard.get("transcription") if isinstance(heard, dict) else None
        assert not (isinstance(spoken, dict) and spoken.get("model"))


def test_events_without_a_session_pass_byte_for_byte() -> None:
    for data in (b'{"type":"input_audio_buffer.append","audio":"AAAA"}', b'{ "type" : "x", "text": "a\\nb" }'):
        judged = judge(data)
        assert judged.data is data
        assert not judged.refusal


def test_the_first_of_two_members_is_not_what_goes_on() -> None:
    judged = judge(b'{"session":{"model":"dear"},"session":{"model":"mine","model":"theirs"}}')
    assert json.loads(judged.data) == {"session": {"model": "theirs"}}


def test_usage_is_found_wherever_the_type_stands_and_not_hidden_by_what_a_caller_wrote() -> None:
    usage = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    tricky = {"metadata": {'a.delta"': "1", "type": "response.output_text.delta"}, "usage": usage}
    for event in (
        {"type": "response.done", "event_id": "e", "response": tricky},
        {"event_id": "e", "type": "response.done", "response": tricky},
        {"response": tricky, "event_id": "e", "type": "response.done"},
    ):
        form = OpenAIForm()
        assert form.listen(json.dumps(event).encode())
        assert (form.usage.input_tokens, form.usage.output_tokens, form.told) == (2, 3, 1)


def test_pieces_stand_in_for_usage_until_it_is_said() -> None:
    form = OpenAIForm()
    form.listen(b'{"type":"response.created"}')
    for _ in range(3):
        form.listen(b'{"type":"response.output_audio.delta","delta":"AA"}')
    form.listen(b'{"type":"conversation.item.input_audio_transcription.delta","delta":"AA"}')
    assert (form.pieces, form.answering) == (3, True)
    form.listen(b'{"type":"response.done","response":{"usage":{"input_tokens":1,"output_tokens":1}}}')
    assert (form.pieces, form.answering) == (0, False)


def test_transcription_counts_when_it_is_told_in_tokens() -> None:
    form = OpenAIForm()
    kind = "conversation.item.input_audio_transcription.completed"
    assert not form.listen(json.dumps({"type": kind, "usage": {"type": "duration", "seconds": 3}}).encode())
    told = {"type": "tokens", "input_tokens": 4, "output_tokens": 2, "input_token_details": {"audio_tokens": 4}}
    assert form.listen(json.dumps({"type": kind, "usage": told}).encode())
    assert (form.usage.input_tokens, form.usage.output_tokens, form.usage.audio_in_tokens) == (4, 2, 4)


def test_a_set_up_names_its_model_once() -> None:
    event = {"setup": {"model": "models/mine", "tools": []}}
    found = setup_of(json.dumps(event).encode())
    assert found is not None
    assert found[1] == "mine"
    assert json.loads(with_model(found[0], "theirs")) == {"setup": {"model": "models/theirs", "tools": []}}
    assert (
        json.loads(with_model(found[0], "publishers/google/models/x"))["setup"]["model"] == "publishers/google/models/x"
    )
    for wrong in ({}, {"setup": 1}, {"setup": {}}, {"Setup": {"model": "a"}}, {"setup": {"model": "a"}, "SETUP": 1}):
        assert setup_of(json.dumps(wrong).encode()) is None


def test_an_interrupted_answer_of_google_s_is_over() -> None:
    form = GeminiForm()
    form.listen(b'{"serverContent":{"modelTurn":{"parts":[]}}}')
    assert form.answering
    form.listen(b'{"serverContent":{"interrupted":true}}')
    assert not form.answering
