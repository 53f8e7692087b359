"""From the events of a stream to the answer they tell."""

from __future__ import annotations

import copy

from providers.neutral.answers import Answer, Choice, Usage
from providers.neutral.events import Done, Ended, Event, Fault, PartDelta, PartStart, Start
from providers.neutral.losses import Malformed
from providers.neutral.messages import Media, Reasoning, Refusal, Text, ToolCall


class Collector:
    """Puts the events of a stream together to an answer: for callers that did not ask for a stream, and for tests.

    ``fault`` is set when the stream brought an error, ``done`` when it came to its end.
    """

    def __init__(self, origin: str) -> None:
        self.answer = Answer(origin)
        self.fault: Fault | None = None
        self.done = False
        self._choices: dict[int, Choice] = {}

    def add(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, PartDelta):
            self._extend(event)
        elif isinstance(event, PartStart):
            choice = self._choice(event.choice)
            if event.part != len(choice.parts):
                raise Malformed(f"part {event.part} begins when there are {len(choice.parts)}")
            part = copy.copy(event.content)  # it grows, the event does not
            if isinstance(part, Text):
                part.citations = list(part.citations)
            choice.parts.append(part)
        elif isinstance(event, Ended):
            choice = self._choice(event.choice)
            choice.finish, choice.raw_finish = event.finish, event.raw_finish
            choice.stop_sequence = event.stop_sequence
        elif isinstance(event, Usage):
            self.answer.usage = event
        elif isinstance(event, Start):
            answer = self.answer
            answer.id, answer.model, answer.created = event.id, event.model, event.created
            answer.service_tier = event.service_tier
        elif isinstance(event, Fault):
            self.fault = event
        elif isinstance(event, Done):
            self.done = True

    def _choice(self, index: int) -> Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index)
            self.answer.choices.append(choice)
        return choice

    def _extend(self, event: PartDelta) -> None:
        choice = self._choice(event.choice)
        part = choice.parts[event.part]
        if event.logprobs is not None:
            content = (choice.logprobs or {"content": []})["content"] or []
            choice.logprobs = {"content": content + (event.logprobs.get("content") or [])}
        if isinstance(part, ToolCall):
            part.arguments += event.text
            part.signature += event.signature
        elif isinstance(part, Text | Reasoning):
            part.text += event.text
            part.signature += event.signature
            if event.citation is not None and isinstance(part, Text):
                part.citations.append(event.citation)
        elif isinstance(part, Refusal):
            part.text += event.text
        elif isinstance(part, Media):
            part.transcript += event.text
            part.data += event.data
