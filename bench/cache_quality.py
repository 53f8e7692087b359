"""How often the semantic cache answers, and how often wrongly: plain threshold, guard, verified mode.

Questions come one after the other. Each looks for its nearest among those that were asked afresh before; is served
theirs, or is asked afresh itself. A served answer is wrong when the two are not of one class. Two sets:

*   Question pairs (Quora): classes are the unions of pairs that people called the same. Labels are noisy, and questions
    that nobody paired count as different, though some are the same: wrong hits are over-counted.
*   Near misses of our own (``bench.near_misses``): labels are exact.

The embedder is latent semantic analysis (character 3-5-grams, TF-IDF, SVD to 384), fitted on one half of the pairs; the
other half is what is asked. It knows no synonyms: hit rates are those of a weak embedder.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import near_misses
from bench.load import result
from bench.load.session import Options
from gateway.cache.similar.audit import clopper_pearson_upper
from gateway.cache.similar.guard import Features, agree, evidence, features
from gateway.cache.similar.verified import FRESH, Budget, EntryState, Policy, Pool, decide

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

CORPUS = "MICROGATE_CORPUS"
DIMENSIONS = 384
SEED = 7
ORDERS = (1, 2, 3)
"""Seeds of the orders in which the questions come; figures are means over them, the worst beside."""
NEAREST = 8
"""Candidates that are looked at with the guard, as in a look-up."""
THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975)
AUDIT = 0.02
"""Of would-be hits, asked afresh all the same."""

Figures = dict[str, float]


class Query(NamedTuple):
    text: str
    meaning: int
    """Equal for questions of one class."""


class Stream(NamedTuple):
    queries: Sequence[Query]
    similarity: Matrix
    """Of each to each."""
    read: Sequence[Features]


class Outcome(NamedTuple):
    lookups: int
    hits: int
    wrong: int
    possible: int
    """Look-ups whose answer was known."""

    def figures(self) -> Figures:
        return {
            "hit_rate": self.hits / self.lookups,
            "of_possible": (self.hits - self.wrong) / max(self.possible, 1),
            "wrong_per_lookup": self.wrong / self.lookups,
            "wrong_per_hit": self.wrong / max(self.hits, 1),
        }


def semantic_place() -> Path:
    return Path(os.environ.get(CORPUS) or result.ROOT.parent / "shared" / "data") / "semantic"


def lacking() -> str:
    """Why this case cannot run here; empty when it can."""
    try:
        import scipy  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        return f"{error}; it comes with microgate[bench]"
    place = semantic_place()
    return "" if place.is_dir() else f"there are no question pairs in {place}; {CORPUS} says where the corpus is"


def _rows(name: str) -> list[dict[str, Any]]:
    with (semantic_place() / name).open() as lines:
        return [json.loads(line) for line in lines]


def classes(pairs: Iterable[tuple[str, str, bool]]) -> list[Query]:
    """Every text once, with its class: texts are united by pairs that are the same."""
    above: dict[str, str] = {}

    def root(text: str) -> str:
        above.setdefault(text, text)
        while above[text] != text:
            above[text] = above[above[text]]
            text = above[text]
        return text

    for a, b, same in pairs:
        one, other = root(a), root(b)
        if same:
            above[one] = other
    numbers = {text: number for number, text in enumerate(above)}
    return [Query(text, numbers[root(text)]) for text in above]


def embedder(texts: Sequence[str]) -> Callable[[Sequence[str]], Matrix]:
    """Fitted on these texts; gives unit vectors."""
    import numpy as np
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    fitted = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True, dtype=np.float32),
        TruncatedSVD(DIMENSIONS, random_state=SEED),
        Normalizer(copy=False),
    ).fit(texts)
    return lambda asked: np.asarray(fitted.transform(asked), dtype=np.float32)


def stream(queries: Sequence[Query], embed: Callable[[Sequence[str]], Matrix]) -> Stream:
    vectors = embed([query.text for query in queries])
    return Stream(queries, vectors @ vectors.T, [features(query.text) for query in queries])


Choice = Callable[[int, int, float, bool], bool]
"""(query, entry, similarity, are they the same) -> is the entry's answer served. What is not served is asked afresh and
compared, so a choice may learn from the last argument if, and only if, it returns False."""


def play(asked: Stream, order: Sequence[int], guarded: bool, choose: Choice) -> Outcome:
    """One pass. What is asked afresh becomes an entry, unless its candidate had the answer already."""
    import numpy as np

    queries, read = asked.queries, asked.read
    entries = np.empty(len(order), dtype=np.int64)
    known: set[int] = set()
    count = hits = wrong = possible = 0
    for query in order:
        meaning = queries[query].meaning
        possible += meaning in known
        candidate = -1
        if count:
            near = asked.similarity[query, entries[:count]]
            if guarded:
                few = np.argpartition(near, -NEAREST)[-NEAREST:] if count > NEAREST else np.arange(count)
                ranked = entries[few[np.argsort(-near[few])]]
                agreeing = (int(entry) for entry in ranked if not agree(read[query], read[int(entry)]))
                candidate = next(agreeing, -1)
            else:
                candidate = int(entries[int(near.argmax())])
        if candidate >= 0:
            same = queries[candidate].meaning == meaning
            if choose(query, candidate, float(asked.similarity[query, candidate]), same):
                hits += 1
                wrong += not same
                continue
            if same:
                continue
        entries[count] = query
        count += 1
        known.add(meaning)
    return Outcome(len(order), hits, wrong, possible)


def above(threshold: float) -> Choice:
    return lambda query, entry, similarity, same: similarity >= threshold


class Mode(NamedTuple):
    policy: Policy
    budgeted: bool


def verified(seed: int, mode: Mode, read: Sequence[Features] | None) -> Choice:
    """Verified mode with a pool, and its audit. ``read``: with the guard, what it has read."""
    draw = random.Random(seed)
    states: dict[int, EntryState] = {}
    pool = Pool()
    budget = Budget() if mode.budgeted else None

    def choose(query: int, entry: int, similarity: float, same: bool) -> bool:
        if read is not None:
            similarity = evidence(read[query], read[entry], similarity)
        state = states.get(entry, FRESH)
        decision = decide(state, similarity, mode.policy, draw.random(), pool, budget)
        if decision.action == "exploit" and draw.random() >= AUDIT:
            return True
        states[entry] = pool.observe(state, decision.claim, similarity, same)
        return False

    return choose


def _mean(outcomes: Sequence[Outcome]) -> Figures:
    rows = [outcome.figures() for outcome in outcomes]
    found = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    found["worst_per_lookup"] = max(row["wrong_per_lookup"] for row in rows)
    found["worst_per_hit"] = max(row["wrong_per_hit"] for row in rows)
    lookups = sum(outcome.lookups for outcome in outcomes) // len(outcomes)
    wrong = sum(outcome.wrong for outcome in outcomes) // len(outcomes)
    # The orders are of the same questions, so they count as one.
    found["per_lookup_upper"] = clopper_pearson_upper(wrong, lookups)
    return {name: round(value, 5) for name, value in found.items()}


def _orders(size: int, quick: bool) -> Iterable[tuple[int, list[int]]]:
    for seed in ORDERS[:1] if quick else ORDERS:
        order = list(range(size))
        random.Random(seed).shuffle(order)
        yield seed, order


def _modes(bounds: Sequence[float], guarded: bool) -> Mapping[str, Mode]:
    found = {f"{bound:.0%} of look-ups": Mode(Policy(bound), budgeted=True) for bound in bounds}
    if guarded:
        found |= {f"{bound:.0%} of each look-up": Mode(Policy(bound), budgeted=False) for bound in bounds}
        found |= {f"{bound:.0%} of hits": Mode(Policy(bound, per_hit=True), budgeted=False) for bound in bounds}
    return found


def measure(asked: Stream, bounds: Sequence[float], quick: bool) -> dict[str, Any]:
    """Every threshold and every bound, without the guard and with it."""
    orders = list(_orders(len(asked.queries), quick))
    found: dict[str, Any] = {"questions": len(asked.queries), "classes": len({q.meaning for q in asked.queries})}
    for guarded in (False, True):
        name = "with guard" if guarded else "without guard"
        rows = {
            f"{threshold:g}": _mean([play(asked, order, guarded, above(threshold)) for _, order in orders])
            for threshold in THRESHOLDS
        }
        modes: dict[str, Any] = {}
        read = asked.read if guarded else None
        for label, mode in _modes(bounds, guarded).items():
            seen = [play(asked, order, guarded, verified(seed, mode, read)) for seed, order in orders]
            modes[label] = row = {"bound": mode.policy.bound, "per_hit": mode.policy.per_hit} | _mean(seen)
            print(
                f"  {name}, {label}: {row['hit_rate']:.2%} hits, wrong {row['wrong_per_lookup']:.2%} of look-ups "
                f"(worst {row['worst_per_lookup']:.2%}), {row['wrong_per_hit']:.2%} of hits",
                flush=True,
            )
        found[name] = {"thresholds": rows, "verified": modes}
    return found


def guard_alone(pairs: Sequence[near_misses.Pair]) -> dict[str, Figures]:
    """By kind: the share of near misses that it lets through, and of paraphrases that it refuses."""
    found: dict[str, Figures] = {}
    for kind in near_misses.KINDS:
        verdicts = [(pair.same, not agree(features(pair.a), features(pair.b))) for pair in pairs if pair.kind == kind]
        near = [agrees for same, agrees in verdicts if not same]
        same = [agrees for same, agrees in verdicts if same]
        found[kind] = {
            "near_misses": len(near),
            "let_through": round(sum(near) / len(near), 4),
            "paraphrases": len(same),
            "refused": round(1 - sum(same) / len(same), 4),
        }
    return found


def quality(options: Options) -> None:
    """Both sets. Raises FileNotFoundError without the corpus."""
    rows = _rows("qqp_pairs.jsonl")
    random.Random(SEED).shuffle(rows)
    if options.quick:
        rows = rows[:2000]
    half = len(rows) // 2
    fitted = [row[side] for row in rows[:half] for side in ("a", "b")]
    for name in ("gptcache_paraphrases.jsonl", "sts_scored.jsonl"):
        others = _rows(name)
        random.Random(SEED).shuffle(others)
        fitted += [row[side] for row in others[: len(others) // 2] for side in ("a", "b")]
    embed = embedder(sorted(set(fitted)))
    # Questions that the embedder was fitted on are left out of what is asked.
    seen = set(fitted)
    fresh = [row for row in rows[half:] if row["a"] not in seen and row["b"] not in seen]
    questions = classes((row["a"], row["b"], bool(row["same"])) for row in fresh)
    own = near_misses.pairs(SEED, *((600, 400) if options.quick else (3000, 4000)))
    meanings: dict[str, int] = {}
    texts = {text: meaning for pair in own for text, meaning in ((pair.a, pair.meaning_a), (pair.b, pair.meaning_b))}
    asked = [Query(text, meanings.setdefault(meaning, len(meanings))) for text, meaning in texts.items()]
    print(f"  question pairs: {len(questions)} questions", flush=True)
    pairs_found = measure(stream(questions, embed), (0.05, 0.1), options.quick)
    print(f"  near misses: {len(asked)} questions", flush=True)
    own_found = measure(stream(asked, embed), (0.01, 0.02), options.quick)
    result.write(
        "quality",
        "Similar questions: hits and wrong hits",
        "Embedder: LSA (character 3-5-grams, TF-IDF, SVD to 384) fitted on half of the pairs; the other half is asked, "
        "one question after the other, each once, so every hit is by similarity. A hit is wrong when the two questions "
        "are not of one class. Verified mode begins with nothing, and its whole run is counted; 2 of 100 would-be hits "
        f"are audited, and count as no hits. Means over {len(ORDERS)} orders, the worst beside.",
        {
            "sets": {"question pairs": pairs_found, "near misses": own_found},
            "guard": guard_alone(own),
        },
        quick=options.quick,
    )
