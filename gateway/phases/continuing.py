"""A stream that was cut goes on with another attempt, into the same answer (``continue_on_cut`` of a route).

Until the cut the stream passes as ever, but event by event: what has gone out must end with a whole event. A second
decoder listens to what is said. After a cut the next target that can go on with a beginning (``providers.prefill``) is
asked with it, and its events are joined to the caller's stream (``providers.joining``) by the caller's own encoder.
Where that is not possible the cut is told as it is without this.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import orjson

from _speedups._bytes import monotonic_ns
from _speedups._cost import Rates
from _speedups._head import MEDIA_EVENTS, MEDIA_HTML, MEDIA_JSON
from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.phases import translated
from gateway.phases.cost import cost_of, price_of
from gateway.phases.settle import release, write_attempt
from gateway.phases.verdict import error_kind_of, judged
from gateway.records import ErrorKind, Flags, Outcome
from gateway.routing import trail
from gateway.serving import Plan, Target
from gateway.translation import NAMES, Translation
from providers import eventstream
from providers.dialects import load
from providers.dialects.base import Facts, StreamDecoder
from providers.joining import Joiner, Said, Seam, added
from providers.neutral import (
    Done,
    Ended,
    Event,
    Fault,
    Losses,
    Malformed,
    PartDelta,
    PartStart,
    Reasoning,
    Unsupported,
    Usage,
)
from providers.operations import Dialect, Operation
from providers.prefill import Prefill, continuable, continued, prefill_of, written

if TYPE_CHECKING:
    from gateway.phases.ask import Asking
    from gateway.phases.forward import Forward

MOST = 2
"""Continuations of one answer: what is cut a third time is better told."""
UNDECIDED = 0
HOLD = 1
PEEK = 2
RELAY = 3
MOST_HELD = 262_144
"""Bytes of an error, and of an event that is not complete: longer ones are no texts."""
BYTES_PER_TOKEN_BITS = 2
SICK = 1
RESPONSES = int(Dialect.OPENAI_RESPONSES)
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
GENERATING = frozenset((int(Operation.CHAT), int(Operation.COMPLETIONS), int(Operation.RESPONSES)))
OUTCOMES = {
    int(ErrorKind.RESET): Outcome.TRUNCATED,
    int(ErrorKind.PROTOCOL): Outcome.TRUNCATED,
    int(ErrorKind.TIMEOUT_IDLE): Outcome.TIMEOUT,
    int(ErrorKind.STREAM_ERROR): Outcome.FAILED_STREAM,
}
"""What a stream can be cut by and go on -> how its attempt is recorded."""
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")


def joining_of(x: Exchange) -> Continuing | None:
    """Of an exchange whose route continues; None where there is no stream of a generated answer."""
    return Continuing() if x.stream and x.operation in GENERATING and not x.relayed and not x.stateful else None


def events_in(data: bytes, form: str) -> list[bytes]:
    """``data`` after each whole event of the stream's form; the last piece, which may be empty, is not complete."""
    pieces, start = [], 0
    if form == eventstream.CONTENT_TYPE:
        while len(data) - start >= 4 and (end := start + int.from_bytes(data[start : start + 4])) <= len(data):
            if end == start:
                break
            pieces.append(data[start:end])
            start = end
    elif form.startswith("text/event-stream"):
        for found in _BLANK.finditer(data):
            pieces.append(data[start : found.end()])
            start = found.end()
    else:
        pieces = data.splitlines(keepends=True)
        start = len(data) if not pieces or pieces[-1].endswith(b"\n") else len(data) - len(pieces.pop())
    return [*pieces, data[start:]]


class Continuing:
    """Of one exchange, as ``Exchange.joining``."""

    def __init__(self) -> None:
        self.said = Said()
        self.decoder: StreamDecoder | None = None
        """Listens to the first stream; None: what comes is no stream that can be continued."""
        self.form = ""
        self.rest = b""
        self.count = 0
        self.resumed = False
        """The cut has come: from now on everything passes through the neutral form."""
        self.before: Usage | None = None
        self.counted = 0
        """Of what was said that which is in ``before``, in events."""
        self.cost = 0
        """Of what is in ``before``, in nano-dollars."""
        self.estimated = False
        """Not every attempt has said its usage."""
        self.ways: dict[int, Prefill] = {}
        """Index of the target -> how it is told to go on."""
        self.joiner: Joiner | None = None
        self.held: list[bytes] = []
        self.waiting: list[Event] = []

    # --- the stream before the cut

    def received(self, attempts: Forward, x: Exchange, data: bytes, complete: bool) -> None:
        """A piece of the present attempt's answer."""
        if self.resumed:
            self.further(attempts, x, data, complete)
            return
        if x.mode == UNDECIDED:
            self.begin(x)
        if self.decoder is None:
            attempts.take(x, data, complete)
            return
        *events, self.rest = events_in(self.rest + data, self.form)
        out = b""
        for event in events:
            told = self.decoder.feed(event)
            if x.mode == RELAY and any(isinstance(each, Fault) for each in told):
                if out:
                    attempts.take(x, out, False)
                    out = b""
                if x.ended or self.resume(x, int(ErrorKind.STREAM_ERROR)):
                    return
            for each in told:
                self.said.add(each)
            if x.mode == RELAY:
                out += event
                continue
            attempts.take(x, event, False)
            if x.ended or x.mode == UNDECIDED:
                return  # it was no beginning: given up, or asked again
        if complete:
            attempts.take(x, out + self.last(), True)
        elif out:
            attempts.take(x, out, False)
        if len(self.rest) > MOST_HELD:
            # What is that long is no text; it passes, and from here on a cut is told.
            self.decoder = None
            attempts.take(x, self.rest, False)

    def begin(self, x: Exchange) -> None:
        """The head of an answer has come."""
        plan = x.plan
        self.decoder = None
        self.rest = b""
        self.said = Said()
        if plan is None or x.status >= 300 or x.answer_encoding or x.answer_media in (MEDIA_JSON, MEDIA_HTML):
            return
        if plan.dialect == x.dialect and plan.dialect == RESPONSES:
            return  # its events are numbered, and its answer is kept there
        if plan.dialect <= LAST_OF_OPENAI and x.answer_media != MEDIA_EVENTS:
            return
        dialect = load(NAMES[plan.dialect])
        self.decoder, self.form = dialect.stream_decoder(), dialect.stream_type

    def last(self) -> bytes:
        """What stood behind the last whole event, if it was one: providers forget the last empty line."""
        rest, self.rest = self.rest, b""
        if not rest or self.said.ended or self.decoder is None:
            return rest
        told = self.decoder.feed(rest) + self.decoder.end()
        return rest if any(isinstance(each, Done | Ended) for each in told) else b""

    # --- the cut

    def resume(self, x: Exchange, kind: int) -> bool:
        """Go on elsewhere; False when that can't be, and the cut is to be told."""
        if self.decoder is None or self.count >= MOST or kind not in OUTCOMES or x.caller is None:
            return False
        said, now_ns = self.said, monotonic_ns()
        if not said.plain or said.ended or now_ns >= x.answer_deadline_ns:
            return False
        translation: Translation = x.translation if x.translation is not None else Translation(x)
        try:
            if not continuable(translation.decoded(x)):
                return False
        except Malformed:
            return False
        targets = self.able(x, bool(said.text.strip()), now_ns)
        attempts = x.core.attempts
        if not targets or not (
            targets[0].health.proven() or attempts.affordable(x, x.view.snapshot.settings.retry.budget, now_ns)
        ):
            return False
        link, x.link = x.link, None
        if link is not None:
            link.cancel()
        release(x, SICK)
        write_attempt(x, int(OUTCOMES[kind]), kind)
        x.reckoned = False  # of all of it, in the exchange's record
        attempts.repeats(x)
        trail.chosen(x, "continued")
        self.count += 1
        self.take_over(x, translation)
        if targets[0] is not x.target:
            x.flags |= int(Flags.FALLBACK)
        x.targets, x.target_index, x.tried_keys = targets, 0, 0
        x.regardless = len(targets) == 1
        attempts.ask(x)
        return True

    def able(self, x: Exchange, begun: bool, now_ns: int) -> list[Target]:
        """Targets that can go on: those behind the present one's, or it once more when there is no other."""
        targets = x.targets or []
        self.ways = {}
        found: list[Target] = []
        for target in [*targets[x.target_index + 1 :], *targets[x.target_index : x.target_index + 1]]:
            plan = target.upstream.plans.get(x.operation)
            if plan is None or plan.operation not in GENERATING or (found and target is x.target):
                continue
            spec = target.upstream.spec
            way = prefill_of(NAMES[plan.dialect], spec.vendor, target.model, spec.base_url, spec.prefill)
            if begun and way is None:
                continue
            self.ways[id(target)] = way or Prefill()
            found.append(target)
        return found

    def take_over(self, x: Exchange, translation: Translation) -> None:
        """From here on the caller's stream is written by its dialect's encoder, which is brought to where it is."""
        said = self.said
        self.account(x)
        if translation.encoder is None:
            encoder = translation.caller.stream_encoder(translation.decoded(x))
            for event in said.retold():
                encoder.encode(event)
                translation.open.note(event)
            translation.encoder = encoder
            if not translation.streaming:
                translation.contents = said.deltas
        translation.same = False
        translation.streaming = True
        x.translation = translation
        x.flags |= int(Flags.CONTINUED)
        x.sealing = x.scan = x.usage = x.held = None
        x.hide_usage = False
        self.resumed = True
        self.fresh(x)

    def account(self, x: Exchange) -> None:
        """Put what the attempt that broke off has used to that of those before. Most providers say it at the end only,
        Anthropic's first event knows of the prompt: sizes stand in for what was not said."""
        said = self.said
        usage, spoken = said.usage or Usage(), said.deltas - self.counted
        if not usage.input_tokens or usage.output_tokens < spoken:
            self.estimated = True
            prompt = usage.input_tokens or len(x.body) >> BYTES_PER_TOKEN_BITS
            usage = msgspec.structs.replace(
                usage, input_tokens=prompt, output_tokens=max(usage.output_tokens, spoken), total=-1
            )
        self.counted = said.deltas
        self.before = usage if self.before is None else added(self.before, usage)
        if x.target is not None:
            self.cost += cost_of(usage, price_of(x, x.target).at(monotonic_ns()))

    def cost_of_all(self, x: Exchange, rates: Rates) -> int:
        """Nano-dollars. ``x`` has the tokens of all attempts; those of the last one are charged at ``rates``."""
        before = self.before or Usage()
        own = Usage(x.prompt - before.input_tokens, x.completion - before.output_tokens)
        if x.usage is not None and x.usage.found:
            own.cached_tokens = x.usage.cached - before.cached_tokens
            own.cache_write_tokens = x.usage.cache_write - before.cache_write_tokens
            own.reasoning_tokens = x.usage.reasoning - before.reasoning_tokens
            own.cache_write_1h_tokens = x.usage.cache_write_1h - before.cache_write_1h_tokens
            own.searches = x.usage.searches - before.searches
        return self.cost + (cost_of(own, rates) if max(own.input_tokens, own.output_tokens) > 0 else 0)

    def fresh(self, x: Exchange) -> None:
        """Nothing has come of the attempt that follows."""
        translation: Translation = x.translation
        translation.usage = translation.fault = None
        translation.done = False
        self.said.usage = None
        self.held, self.waiting = [], []
        x.mode = UNDECIDED
        x.first_byte_ns = x.last_byte_ns = 0

    def prepare(self, attempts: Asking, x: Exchange, target: Target, plan: Plan) -> bool:
        """Make the request that goes on ready for this target; False when the caller was told that it can't be."""
        translation: Translation = x.translation
        self.fresh(x)
        way = self.ways[id(target)]
        text = self.said.text
        prefill = text.rstrip() if way.trimmed or not text.strip() else text
        self.joiner = Joiner(self.said, Seam(prefill, text[len(prefill) :], way.echoed), self.before)
        translation.target = load(NAMES[plan.dialect])
        translation.losses = Losses()
        facts = Facts(target.model, target.upstream.spec.vendor, target.upstream.ask_usage)
        try:
            request = continued(translation.decoded(x), prefill, self.said.deltas)
            body = translation.target.encode_request(request, facts, translation.losses)
        except (Malformed, Unsupported) as error:
            attempts.give_up(x, GatewayError("bad_request", str(error)))
            return False
        if prefill:
            body = written(body, way)
        if plan.members:
            body = {**dict(plan.members), **{name: value for name, value in body.items() if name != "model"}}
        x.outgoing = orjson.dumps(body)
        return True

    # --- the stream behind the cut

    def further(self, attempts: Forward, x: Exchange, data: bytes, complete: bool) -> None:
        translation: Translation = x.translation
        if x.mode == UNDECIDED:
            x.mode = PEEK
            if x.status >= 300 or x.answer_encoding or x.answer_media in (MEDIA_JSON, MEDIA_HTML):
                x.mode = HOLD
            translation.decoder = translation.target.stream_decoder()
        if x.mode == HOLD:
            self.hold(attempts, x, data, complete)
            return
        decoder, joiner = translation.decoder, self.joiner
        if decoder is None or joiner is None:
            return
        told = decoder.feed(data) if data else []
        if complete:
            told += decoder.end()
        fault = next((event for event in told if isinstance(event, Fault)), None)
        if fault is not None:
            told = told[: told.index(fault)]
        if any(_is_content(event) for event in told) and x.mode == PEEK:
            x.mode = RELAY
        if x.mode == PEEK:
            self.waiting += told
            if fault is not None or complete:
                if x.link is not None:
                    x.link.cancel()
                message = "The provider's stream held no event." if fault is None else fault.message
                attempts.failed(x, int(ErrorKind.PROTOCOL if fault is None else ErrorKind.STREAM_ERROR), message, False)
            return
        joined = joiner.join(self.waiting + told)
        self.waiting = []
        translation.note(joined)
        encoder = translation.encoder
        out = b"" if encoder is None else b"".join(map(encoder.encode, joined))
        if fault is None:
            translated.send(x, b"", out, complete)
            return
        if x.link is not None:
            x.link.cancel()
        translated.send(x, b"", out, False)
        translated.cut(x, int(ErrorKind.STREAM_ERROR), fault.message)

    def hold(self, attempts: Forward, x: Exchange, data: bytes, complete: bool) -> None:
        """An answer that is no stream is none that goes on."""
        self.held.append(data)
        if not complete and sum(map(len, self.held)) < MOST_HELD:
            return
        if x.link is not None:
            x.link.cancel()
        if x.status < 400:
            attempts.failed(x, int(ErrorKind.PROTOCOL), "The provider's answer is no stream.", False)
            return
        found = judged(x.status, x.answer_head, b"".join(self.held))
        attempts.put_away(x, x.status, found)
        kind = error_kind_of(x.status, found.reason)
        if not attempts.again(x, x.status, kind, found):
            self.over(x, int(kind), f"The provider answered {x.status} when it was asked to go on.")

    def over(self, x: Exchange, kind: int, message: str) -> None:
        """Nobody goes on: the cut is told after all."""
        translation: Translation = x.translation
        self.count = MOST
        x.status = x.sent_status
        if translation.usage is None:
            translation.usage = self.before
        translated.cut(x, kind, message)


def _is_content(event: Event) -> bool:
    """Something that a caller is shown, or the end; thoughts are not."""
    if isinstance(event, PartStart):
        return not isinstance(event.content, Reasoning)
    return isinstance(event, PartDelta | Ended | Done)
