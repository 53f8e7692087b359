"""What the generations of Claude take, read off a model's name.

Sources: the recorded exchanges (adaptive thinking from 4.6 on, and Opus 4.6 refuses the effort ``xhigh``); OpenRouter's
"Claude 4.7 Migration Guide" and NousResearch/hermes-agent#11137 (4.7 refuses budgets and sampling). The bounds of
``ONE_OF_TWO`` and ``THINKS_UNASKED`` are not confirmed by either. A name without a version (an alias, a follower's
model) counts as one that takes what all generations before 4.6 took, which is what followers copied.
"""

from __future__ import annotations

import functools

ADAPTIVE = (4, 6)
"""From here on the model decides how much to think, guided by an effort; before, it wants a budget of tokens."""
NO_SAMPLING = (4, 7)
"""From here on temperature, top_p and top_k are refused."""
ONE_OF_TWO = (4, 1)
"""From here on temperature and top_p are refused together."""
THINKS_UNASKED = (5, 0)
"""From here on a model may think where nothing was said, so that no thinking has to be said."""


@functools.lru_cache(256)
def version(model: str) -> tuple[int, int]:
    """As ``(4, 5)``; ``(0, 0)`` where the name does not say."""
    name = model.lower()
    if "claude" not in name:
        return 0, 0
    numbers: list[int] = []
    for word in name[name.rindex("claude") :].replace(".", "-").replace("@", "-").replace(":", "-").split("-"):
        if word.isascii() and word.isdigit() and len(word) <= 2:  # longer ones are dates
            numbers.append(int(word))
        elif numbers:
            break
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (0, 0)


def effort_word(effort: str, generation: tuple[int, int]) -> str:
    """``output_config.effort`` for a neutral word."""
    if effort == "minimal":
        return "low"
    return "max" if effort == "xhigh" and generation < NO_SAMPLING else effort
