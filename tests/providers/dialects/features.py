"""What requests and answers can say, each thing once, in the neutral form: what the golden files are made from."""

from __future__ import annotations

from providers.neutral import (
    Answer,
    CacheMark,
    Choice,
    Format,
    Media,
    Message,
    Reasoning,
    Refusal,
    Request,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)

PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjQ="
MP3 = "SUQzBAAA"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "Looks it up.", SCHEMA)
TIME = Tool("time", "Tells it.", {"type": "object", "properties": {}})
ASKED = Message("user", [Text("Weather in Mérida?")], True)
CALL = ToolCall("call_1", "weather", '{"city":"Mérida"}')
OTHER = ToolCall("call_2", "time", "{}")


def request(*messages: Message, **more: object) -> Request:
    made = Request("features", "the-model", list(messages) or [ASKED], max_tokens=500)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def answer(*parts: object, finish: str = "stop", **more: object) -> Answer:
    usage = more.pop("usage", Usage(31, 17))
    choice = Choice(0, list(parts), finish)  # type: ignore[arg-type]
    return Answer("features", "id-1", "the-model", 1_700_000_000, [choice], usage)  # type: ignore[arg-type]


SYSTEM = Message("system", [Text("Be brief.")], True)
REQUESTS: dict[str, Request] = {
    "text": request(),
    "system": request(SYSTEM, ASKED),
    "turns": request(ASKED, Message("assistant", [Text("Warm.")], True), Message("user", [Text("And now?")], True)),
    "image": request(Message("user", [Text("What is it?"), Media("image", "image/png", PNG)])),
    "image address": request(Message("user", [Text("What is it?"), Media("image", url="https://example.test/a.png")])),
    "file": request(Message("user", [Text("Read it."), Media("file", "application/pdf", PDF, name="a.pdf")])),
    "audio": request(Message("user", [Text("Hear it."), Media("audio", "audio/mpeg", MP3)])),
    "tools": request(tools=[WEATHER, TIME], tool_choice=ToolChoice("auto")),
    "forced tool": request(tools=[WEATHER, TIME], tool_choice=ToolChoice("tool", ["weather"])),
    "any tool": request(tools=[WEATHER], tool_choice=ToolChoice("required")),
    "no tool": request(tools=[WEATHER], tool_choice=ToolChoice("none")),
    "one tool at a time": request(tools=[WEATHER], parallel_tools=False),
    "parallel calls and results": request(
        ASKED,
        Message("assistant", [Text("Let me see."), CALL, OTHER]),
        Message("tool", [ToolResult("call_1", "weather", [Text("Warm.")], plain=True)]),
        Message("tool", [ToolResult("call_2", "time", [Text("Noon.")], plain=True)]),
        tools=[WEATHER, TIME],
    ),
    "picture in a result": request(
        ASKED,
        Message("assistant", [CALL]),
        Message("tool", [ToolResult("call_1", "weather", [Text("See."), Media("image", "image/png", PNG)])]),
        tools=[WEATHER],
    ),
    "effort": request(thinking=Thinking(effort="high")),
    "budget": request(max_tokens=20_000, thinking=Thinking(enabled=True, budget=4_000)),
    "no thinking": request(thinking=Thinking(enabled=False)),
    "schema": request(format=Format("json_schema", SCHEMA, "place", strict=True)),
    "json": request(format=Format("json_object")),
    "sampling": request(sampling=Sampling(temperature=0.5, top_p=0.9, top_k=40, stop=["END"], seed=7)),
    "penalties": request(sampling=Sampling(frequency_penalty=0.5, presence_penalty=0.25)),
    "logprobs": request(sampling=Sampling(logprobs=True, top_logprobs=2)),
    "cache mark": request(Message("system", [Text("A long text.", cache=CacheMark("5m"))]), ASKED),
    "caller": request(user="alice", metadata={"team": "a"}),
    "tier": request(service_tier="priority"),
}
ANSWERS: dict[str, Answer] = {
    "text": answer(Text("Warm.")),
    "bound": answer(Text("War"), finish="length"),
    "filtered": answer(Text(""), finish="content_filter"),
    "refusal": answer(Refusal("I can't."), finish="refusal"),
    "calls": answer(Text("Let me see."), CALL, OTHER, finish="tool_calls"),
    "thoughts": answer(Reasoning("Hm.", signature="c2ln"), Text("Warm.")),
    "usage": answer(Text("Warm."), usage=Usage(100, 50, 40, 10, 20)),
}
