"""Two streams as one answer: the second goes on with what the first, which was cut, has said."""

from __future__ import annotations

import msgspec

from providers.neutral import (
    Citation,
    Done,
    Ended,
    Event,
    Fault,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Start,
    Text,
    Usage,
)


class Said:
    """What a stream has told so far."""

    def __init__(self) -> None:
        self.start: Start | None = None
        self.texts: list[str] = []
        self.deltas = 0
        self.plain = True
        """Nothing but one text without sources or logprobs."""
        self.ended = False
        self.open = -1
        """Number of the part that has begun and not ended."""
        self.parts = 0
        self.usage: Usage | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def add(self, event: Event) -> None:
        """Take one event of the first stream."""
        if isinstance(event, PartDelta):
            self.texts.append(event.text)
            self.deltas += 1
            if event.choice or event.part or event.citation is not None or event.logprobs is not None:
                self.plain = False
        elif isinstance(event, PartStart):
            self.begin(event)
        elif isinstance(event, PartEnd):
            self.open = -1
        elif isinstance(event, Ended | Done):
            self.ended = True
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Start):
            self.start = event

    def begin(self, event: PartStart) -> None:
        self.open = event.part
        self.parts = event.part + 1
        if event.choice or event.part or not isinstance(event.content, Text) or event.content.citations:
            self.plain = False
        elif event.content.text:
            self.texts.append(event.content.text)

    def retold(self) -> list[Event]:
        """The same in few events, for an encoder that is to go on from here."""
        events: list[Event] = [self.start or Start()]
        if self.parts:
            events += [PartStart(0, 0, Text()), PartDelta(0, 0, self.text)]
            if self.open < 0:
                events.append(PartEnd(0, 0))
        return events


class Seam:
    """Finds where new text begins behind ``prefill``, of which ``trimmed`` was left out at the end.

    A provider that repeats the beginning (``echoed``) may yet not; a model mostly, but not always, begins with the
    white space that was kept from it. What can't be told yet is held.
    """

    def __init__(self, prefill: str, trimmed: str, echoed: bool) -> None:
        self.echo = prefill if echoed else ""
        self.trimmed = trimmed
        self.held = ""
        self.settled = not self.echo and not trimmed

    def new(self, text: str) -> str:
        """Of what was held and ``text`` that which is new."""
        if self.settled:
            return text
        self.held += text
        if self.echo:
            if len(self.held) < len(self.echo) and self.echo.startswith(self.held):
                return ""
            self.held = self.held.removeprefix(self.echo)
            self.echo = ""
        same = 0
        for one, other in zip(self.held, self.trimmed, strict=False):
            if one != other:
                break
            same += 1
        if same == len(self.held) < len(self.trimmed):
            return ""
        return self.settle(same)

    def settle(self, same: int) -> str:
        self.settled = True
        held, self.held = self.held, ""
        return held[same:]

    def rest(self) -> str:
        """The text is over: what was held for an echo that did not come to its end is none."""
        return "" if self.settled else self.settle(0 if self.echo else len(self.held))


class Joiner:
    """Turns the events of a further attempt into those that follow what was said; ``said`` goes on with them."""

    def __init__(self, said: Said, seam: Seam, before: Usage | None) -> None:
        self.said = said
        self.seam = seam
        self.before = before
        """Tokens of the attempts so far."""
        self.places: dict[int, int] = {}
        """Part of the further attempt -> part of the whole answer; -1: not shown."""
        self.seamed = -1
        """The further attempt's part that begins at the seam."""

    def join(self, events: list[Event]) -> list[Event]:
        """What the caller is told. Thoughts about how to go on are not: they would stand in the middle of a text."""
        out: list[Event] = []
        for event in events:
            self._one(event, out)
        return out

    def _one(self, event: Event, out: list[Event]) -> None:
        if isinstance(event, PartStart):
            if event.choice == 0:
                self._begin(event, out)
        elif isinstance(event, PartDelta):
            if event.choice == 0:
                self._extend(event, out)
        elif isinstance(event, PartEnd):
            if event.choice == 0:
                self._end_part(event.part, out)
        elif isinstance(event, Ended):
            if event.choice == 0:
                self._close(out)
                self.said.ended = True
                out.append(event)
        elif isinstance(event, Usage):
            self.said.usage = event
            out.append(event if self.before is None else added(self.before, event))
        elif isinstance(event, Start):
            if self.said.start is None:
                self.said.start = event
                out.append(event)
        else:
            if isinstance(event, Done):
                self.said.ended = True
            out.append(event)

    def _begin(self, event: PartStart, out: list[Event]) -> None:
        said, content = self.said, event.content
        if isinstance(content, Reasoning):
            self.places[event.part] = -1
            return
        if isinstance(content, Text) and self.seamed < 0 and said.plain:
            self.seamed = event.part
            if said.open < 0:
                said.open = said.parts
                said.parts += 1
                out.append(PartStart(0, said.open, Text()))
            self.places[event.part] = said.open
            self._say(said.open, content.text, out)
            for citation in content.citations:
                self._cite(said.open, citation, out)
            return
        self._close(out)
        place = self.places[event.part] = said.open = said.parts
        said.parts += 1
        said.plain = False
        out.append(PartStart(0, place, content))

    def _extend(self, event: PartDelta, out: list[Event]) -> None:
        place = self.places.get(event.part, -1)
        if place < 0:
            return
        if event.part != self.seamed:
            out.append(msgspec.structs.replace(event, part=place))
            return
        self._say(place, event.text, out)
        if event.citation is not None:
            self._cite(place, event.citation, out)

    def _say(self, place: int, text: str, out: list[Event]) -> None:
        if new := self.seam.new(text):
            self.said.texts.append(new)
            self.said.deltas += 1
            out.append(PartDelta(0, place, new))

    def _cite(self, place: int, citation: Citation, out: list[Event]) -> None:
        self.said.plain = False
        out.append(PartDelta(0, place, citation=citation))

    def _end_part(self, part: int, out: list[Event]) -> None:
        place = self.places.get(part, -1)
        if place < 0:
            return
        if place == self.said.open:
            self._close(out)
        else:
            out.append(PartEnd(0, place))

    def _close(self, out: list[Event]) -> None:
        """End the part that is open, with what the seam holds where it is the text's."""
        said = self.said
        if said.open < 0:
            return
        if self.places.get(self.seamed) == said.open and (rest := self.seam.rest()):
            said.texts.append(rest)
            out.append(PartDelta(0, said.open, rest))
        out.append(PartEnd(0, said.open))
        said.open = -1


def brings(events: list[Event]) -> bool:
    """Whether a stream has begun with these: an end counts, thoughts and white space do not."""
    return any(not isinstance(event, Start | Usage | Fault) for event in events)


def added(one: Usage, other: Usage) -> Usage:
    """Tokens of two attempts at one answer: both are paid for."""
    total = one.total_tokens + other.total_tokens if other.total >= 0 else -1
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cached_tokens + other.cached_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
        one.audio_in_tokens + other.audio_in_tokens,
        one.audio_out_tokens + other.audio_out_tokens,
        total,
        cache_write_1h_tokens=one.cache_write_1h_tokens + other.cache_write_1h_tokens,
        searches=one.searches + other.searches,
    )
