"""What the requests for a model have been like in this worker: what the next one is foreseen to take.

Tokens a byte differ by language and by how much of a body is JSON around the text, and answers by what a model is used
for. So a reservation is an estimate, on the safe side, and what was learned only moves it closer to the truth.
"""

from __future__ import annotations

import orjson

FIRST_PER_BYTE = 0.25
"""English text in the tokenizers in use averages about four bytes a token."""
FIRST_OUTPUT = 1024
"""Tokens of an answer whose request does not bound it, until answers have been seen; at least so many after that."""
SHARE = 16
"""Requests over which a mean is taken: the newest counts for so small a part of it."""


def longest(facts: bytes, model: str) -> int:
    """Tokens of the longest answer of a model, out of what is known of its provider's (``Snapshot.facts``); 0: nobody
    has said."""
    found = orjson.loads(facts).get(model, {}).get("max_output", 0) if facts and model else 0
    return found if isinstance(found, int) and found > 0 else 0


class Habit:
    """Of one model at one provider."""

    def __init__(self, most: int = 0) -> None:
        self.seen = 0
        self.per_byte = FIRST_PER_BYTE
        self.spread = 0.0
        """Mean distance from the mean."""
        self.output = 0.0
        self.most = most
        """Tokens of the longest answer that the model can give; 0: not known."""

    def prompt(self, size: int) -> int:
        """Tokens of a request's body of ``size`` bytes, twice the usual spread above the mean."""
        foreseen = int(size * (self.per_byte + 2.0 * self.spread))
        return foreseen if foreseen < size else size

    def usual(self, size: int) -> int:
        """Tokens of a request's body of ``size`` bytes, as they mostly are: where nobody says how many there were."""
        return int(size * self.per_byte + 0.5)

    def completion(self) -> int:
        """Tokens of an answer that its request does not bound: twice the usual, within what the model can give."""
        foreseen = max(FIRST_OUTPUT, int(2.0 * self.output))
        return min(foreseen, self.most) if self.most else foreseen

    def learn(self, size: int, prompt: int, completion: int) -> None:
        """A body of ``size`` bytes had so many tokens, and its answer so many."""
        if size <= 0 or prompt <= 0:
            return
        if self.seen < SHARE:
            self.seen += 1
        found = prompt / size
        if self.seen == 1:
            self.per_byte = found
            self.output = float(completion)
            return
        distance = found - self.per_byte
        self.per_byte += distance / self.seen
        self.spread += ((distance if distance > 0 else -distance) - self.spread) / self.seen
        self.output += (completion - self.output) / self.seen
