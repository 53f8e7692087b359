"""The official OpenAI SDK takes every answer of the demo upstream."""

from __future__ import annotations

import io
import wave

import httpx
import openai
import pytest
from pydantic import BaseModel

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city"],
        },
    },
}
HELLO = [{"role": "user", "content": "hello there, world"}]


def test_chat_echoes(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="echo", messages=HELLO)
    assert answer.choices[0].message.content == "hello there, world"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "echo"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_is_cut_at_max_tokens(sdk: openai.OpenAI) -> None:
    choice = sdk.chat.completions.create(model="echo", messages=HELLO, max_completion_tokens=2).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("hello th", "length")


def test_a_stream_joins_to_the_plain_answer_and_reports_usage_when_asked(sdk: openai.OpenAI) -> None:
    plain = sdk.chat.completions.create(model="gpt-4o-mini", messages=HELLO, n=2)
    chunks = list(
        sdk.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, n=2, stream=True, stream_options={"include_usage": True}
        )
    )
    for index in range(2):
        parts = [c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index]
        assert "".join(parts) == plain.choices[index].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_stream_without_the_option_carries_no_usage(http: httpx.Client) -> None:
    text = http.post("/v1/chat/completions", json={"model": "echo", "messages": HELLO, "stream": True}).text
    assert "usage" not in text
    assert text.endswith("data: [DONE]\n\n")


def test_a_tool_is_called_and_its_result_ends_the_turn(sdk: openai.OpenAI) -> None:
    first = sdk.chat.completions.create(model="echo", messages=HELLO, tools=[TOOL])
    calls = first.choices[0].message.tool_calls
    assert calls is not None
    assert first.choices[0].finish_reason == "tool_calls"
    assert (calls[0].function.name, calls[0].function.arguments) == ("weather", '{"city":"demo","days":2}')
    result = {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"}
    messages = [*HELLO, first.choices[0].message.model_dump(exclude_none=True), result]
    second = sdk.chat.completions.create(model="echo", messages=messages, tools=[TOOL])
    assert second.choices[0].message.content == "The tool said: sunny"


def test_tool_arguments_arrive_in_pieces(sdk: openai.OpenAI) -> None:
    chunks = list(sdk.chat.completions.create(model="echo", messages=HELLO, tools=[TOOL], stream=True))
    calls = [c for chunk in chunks for choice in chunk.choices for c in choice.delta.tool_calls or ()]
    assert "".join(c.function.arguments or "" for c in calls if c.function) == '{"city":"demo","days":2}'
    assert len(calls) > 2
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


class Weather(BaseModel):
    city: str
    days: int
    where: list[str]


def test_structured_output_fits_its_schema(sdk: openai.OpenAI) -> None:
    parsed = sdk.chat.completions.parse(model="echo", messages=HELLO, response_format=Weather).choices[0].message.parsed
    assert parsed == Weather(city="demo", days=1, where=["demo"])


def test_completions(sdk: openai.OpenAI) -> None:
    plain = sdk.completions.create(model="echo", prompt="one two")
    assert plain.choices[0].text == "one two"
    parts = list(sdk.completions.create(model="echo", prompt="one two", stream=True))
    assert "".join(part.choices[0].text for part in parts) == "one two"


def test_responses_plain_stored_and_deleted(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model="echo", input="say this")
    assert answer.output_text == "say this"
    assert sdk.responses.retrieve(answer.id).output_text == "say this"
    follow = sdk.responses.create(model="echo", input="and this", previous_response_id=answer.id)
    assert follow.previous_response_id == answer.id
    sdk.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.create(model="echo", input="x", previous_response_id=answer.id)


def test_responses_stream_events_in_order(sdk: openai.OpenAI) -> None:
    events = list(sdk.responses.create(model="echo", input="a b c", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "a b c"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "a b c"


def test_responses_call_a_function(sdk: openai.OpenAI) -> None:
    function = {"type": "function", "strict": False, **TOOL["function"]}  # type: ignore[dict-item]
    with sdk.responses.stream(model="echo", input="weather?", tools=[function]) as stream:
        item = stream.get_final_response().output[0]
    assert item.type == "function_call"
    assert item.arguments == '{"city":"demo","days":2}'
    output = {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
    turn = [{"role": "user", "content": "weather?"}, item.to_dict(), output]
    assert sdk.responses.create(model="echo", input=turn, tools=[function]).output_text == "The tool said: sunny"


def test_embeddings_are_stable_unit_vectors(sdk: openai.OpenAI) -> None:
    def vectors(*texts: str) -> list[list[float]]:
        data = sdk.embeddings.create(model="embedding", input=list(texts), dimensions=64).data
        return [item.embedding for item in data]

    first, again, near, far = vectors("red fox", "red fox", "red dog", "blue sea")
    assert first == again
    assert sum(x * x for x in first) == pytest.approx(1, abs=1e-5)
    dot = [sum(a * b for a, b in zip(first, other, strict=True)) for other in (near, far)]
    assert dot[0] > dot[1]
    floats = sdk.embeddings.create(model="embedding", input="red fox", dimensions=64, encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(first, abs=1e-6)


def test_moderations(sdk: openai.OpenAI) -> None:
    results = sdk.moderations.create(input=["peace", "kill it"]).results
    assert [result.flagged for result in results] == [False, True]
    assert results[1].categories.violence


def test_speech_is_a_wave_file(sdk: openai.OpenAI) -> None:
    sound = sdk.audio.speech.create(
        model="tts", voice="alloy", input="one two three four", response_format="wav"
    ).read()
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(1)
    mp3 = sdk.audio.speech.create(model="tts", voice="alloy", input="one").read()
    assert mp3.startswith(b"\xff\xfb")
    assert len(mp3) % 417 == 0


def test_transcription_measures_the_upload(sdk: openai.OpenAI) -> None:
    upload = ("a.wav", b"\r\n--x" * 1000, "audio/wav")
    assert sdk.audio.transcriptions.create(model="whisper", file=upload).text == "5000 bytes of audio arrived as a.wav."
    text = sdk.audio.transcriptions.create(model="whisper", file=upload, response_format="text")
    assert text == "5000 bytes of audio arrived as a.wav.\n"
    events = list(sdk.audio.transcriptions.create(model="whisper", file=upload, stream=True))
    assert events[-1].type == "transcript.text.done"


def test_translation_answers_like_transcription(http: httpx.Client) -> None:
    files = {"file": ("a.wav", b"12345", "audio/wav")}
    answer = http.post("/v1/audio/translations", data={"model": "whisper"}, files=files)
    assert answer.json()["text"] == "5 bytes of audio arrived as a.wav."


def test_images(sdk: openai.OpenAI) -> None:
    made = sdk.images.generate(model="image", prompt="a house", n=2).data or []
    edited = sdk.images.edit(model="image", image=("a.png", b"png", "image/png"), prompt="a tree").data or []
    assert len(made) == 2
    assert len(edited) == 1
    assert all((item.b64_json or "").startswith("iVBORw0KGgo") for item in [*made, *edited])


def test_models(sdk: openai.OpenAI) -> None:
    names = [model.id for model in sdk.models.list()]
    assert "echo" in names
    assert sdk.models.retrieve("echo").owned_by == "demo"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("error-400", openai.BadRequestError),
        ("error-401", openai.AuthenticationError),
        ("error-403", openai.PermissionDeniedError),
        ("error-404", openai.NotFoundError),
        ("error-429", openai.RateLimitError),
        ("error-500", openai.InternalServerError),
        ("html-error", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
        ("garbage", openai.APIConnectionError),
        ("cut-stream", openai.APIConnectionError),
    ],
)
def test_faults_are_what_they_say(sdk: openai.OpenAI, model: str, error: type[openai.APIError]) -> None:
    with pytest.raises(error):
        sdk.chat.completions.create(model=model, messages=HELLO)


def test_429_says_when_to_come_back(http: httpx.Client) -> None:
    answer = http.post("/v1/chat/completions", json={"model": "error-429", "messages": HELLO})
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


def test_flaky_succeeds_once_in_n(http: httpx.Client) -> None:
    def ask() -> int:
        return http.post("/v1/chat/completions", json={"model": "flaky-3+echo", "messages": HELLO}).status_code

    assert [ask() for _ in range(6)] == [503, 503, 200, 503, 503, 200]


def test_a_cut_stream_ends_without_its_end(http: httpx.Client) -> None:
    body = {"model": "cut-stream+after-3+words-9", "messages": HELLO, "stream": True}
    parts: list[bytes] = []
    with (
        http.stream("POST", "/v1/chat/completions", json=body) as answer,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
    ):
        parts.extend(answer.iter_raw())
    got = b"".join(parts)
    assert got.count(b"data: ") == 3
    assert b"[DONE]" not in got


def test_an_error_event_ends_a_stream_truthfully(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="while streaming"):
        list(sdk.chat.completions.create(model="error-event", messages=HELLO, stream=True))


def test_a_response_fails_in_its_own_form(sdk: openai.OpenAI) -> None:
    events = list(sdk.responses.create(model="error-event+after-4", input="a b c d", stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert [event.sequence_number for event in events] == list(range(6))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
    assert "while streaming" in events[-1].response.error.message


def test_a_stall_sends_nothing_until_the_caller_leaves(http: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json={"model": "stall", "messages": HELLO}, timeout=0.2)
    assert http.get("/v1/models").status_code == 200
