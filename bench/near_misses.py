"""Pairs of questions whose label is exact by construction: paraphrases, and near misses that differ in one thing.

A family is one meaning in several wordings with blanks. Two questions are the same when family and what is filled in
are; a near miss is a question of the same family with one blank filled otherwise. What is filled in may be spelt in
several ways (5 and five, kg and kilograms, a name small or with its capital), so that the wordings of one question do
not look more alike than its near misses.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

KINDS = ("numbers", "negation", "units", "dates", "entities", "code", "direction")

Spelt = tuple[str, ...]
"""One thing, in its spellings."""


class Family(NamedTuple):
    kind: str
    wordings: tuple[str, ...]
    blanks: Mapping[str, tuple[Spelt, ...]]
    differs: str
    """The blank that a near miss fills otherwise."""


class Pair(NamedTuple):
    a: str
    b: str
    same: bool
    kind: str
    meaning_a: str
    """Equal for equal questions; so ``meaning_b``."""
    meaning_b: str


def _one(*values: str) -> tuple[Spelt, ...]:
    return tuple((value,) for value in values)


COUNTS: tuple[Spelt, ...] = (
    ("2", "two"), ("3", "three"), ("4", "four"), ("5", "five"), ("6", "six"), ("8", "eight"), ("10", "ten"), ("12",
    "twelve"),
    ("15", "fifteen"), ("20", "twenty"), ("30", "thirty"), ("50", "fifty"),
)  # fmt: skip
AMOUNTS = _one("15", "25", "40", "60", "75", "120", "150", "180", "220", "350", "480", "640", "900")
SUMS: tuple[Spelt, ...] = (
    ("1,000", "1000"), ("1,500", "1500"), ("2,000", "2000"), ("2,500", "2500"), ("5,000", "5000", "5k"),
    ("10,000", "10000", "10k"), ("25,000", "25000"), ("100,000", "100000", "100k"),
)  # fmt: skip
CITIES: tuple[Spelt, ...] = tuple(
    (name, name.lower())
    for name in (
        "Paris", "Lyon", "Madrid", "Seville", "Oslo", "Bergen", "Vienna", "Graz", "Boston", "Tucson", "Osaka",
        "Nagoya", "Lima",
        "Cusco", "Nairobi", "Mombasa",
    )
)  # fmt: skip
COUNTRIES: tuple[Spelt, ...] = tuple(
    (name, name.lower())
    for name in (
        "France", "Germany", "Spain", "Portugal", "Norway", "Sweden", "Peru", "Chile", "Kenya", "Uganda", "Japan",
        "Vietnam",
        "Austria", "Australia", "Niger", "Nigeria", "Slovakia", "Slovenia",
    )
)  # fmt: skip
PEOPLE: tuple[Spelt, ...] = tuple(
    (name, name.lower())
    for name in (
        "Ada Lovelace", "Alan Turing", "Marie Curie", "Emmy Noether", "Grace Hopper", "Niels Bohr", "Max Planck",
        "Lise Meitner",
        "Rosalind Franklin", "Carl Gauss", "Leonhard Euler", "Ernest Rutherford",
    )
)  # fmt: skip
COMPANIES: tuple[Spelt, ...] = tuple(
    (name, name.lower())
    for name in ("Google", "Nokia", "Siemens", "Toyota", "Honda", "Ikea", "Spotify", "Adidas", "Puma", "Bosch")
)
LANGUAGES: tuple[Spelt, ...] = tuple(
    (name, name.lower()) for name in ("Python", "Java", "Ruby", "Kotlin", "Swift", "Scala", "Haskell", "Perl")
)
MONTH_NAMES = (
    "January", "February", "March", "April", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS: tuple[Spelt, ...] = tuple(
    (f"{month} {day}, {year}", f"{day} {month} {year}")
    for month, day, year in (
        ("January", 5, 1990), ("January", 6, 1990), ("May", 5, 1990), ("May", 5, 1991), ("June", 12, 2001), ("July",
        12, 2001),
        ("June", 21, 2001), ("October", 3, 1975), ("October", 30, 1975), ("March", 9, 2010), ("March", 9, 2011),
    )
)  # fmt: skip
WEEKDAYS: tuple[Spelt, ...] = tuple(
    (name,) for name in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
)
YEARS = _one("1914", "1918", "1939", "1945", "1968", "1969", "1989", "1999", "2001", "2008", "2012", "2016")
FOODS = _one("rice", "pasta", "oats", "lentils", "chicken breast", "salmon", "tofu", "potatoes", "almonds", "cheese")
DISHES = _one("pancakes", "lasagne", "apple pie", "ramen", "onion soup", "risotto", "goulash", "paella")
METALS: tuple[Spelt, ...] = (
    ("copper",),
    ("iron",),
    ("zinc",),
    ("nickel",),
    ("silver",),
    ("gold",),
    ("tin",),
    ("lead",),
)
ALLERGENS = _one("gluten", "lactose", "nuts", "soy", "sugar", "caffeine", "palm oil", "eggs")
SETTINGS = _one(
    "dark mode", "two-factor authentication", "auto-update", "location tracking", "spell checking",
    "push notifications",
    "file sharing", "offline mode", "automatic backups", "voice control",
)  # fmt: skip
PHONES = _one("my phone", "my laptop", "my tablet", "a work computer", "a shared account", "the family router")

FAMILIES: tuple[Family, ...] = (
    Family("numbers", (
        "How many eggs do I need to make {dish} for {n} people?",
        "For {n} people, how many eggs go into {dish}?",
        "What number of eggs is needed for {dish} that serves {n} people?",
        "I am making {dish} for {n} people. How many eggs does it take?",
    ), {"dish": DISHES, "n": COUNTS}, "n"),
    Family("numbers", (
        "How long does it take to drive {d} km at {v} km/h?",
        "What is the driving time for {d} km at {v} km/h?",
        "If I drive at {v} km/h, how long will {d} km take me?",
        "How much time do I need for a drive of {d} km at a speed of {v} km/h?",
    ), {"d": AMOUNTS, "v": _one("50", "80", "100", "130")}, "d"),
    Family("numbers", (
        "How should I invest {s} dollars as a beginner?",
        "I have {s} dollars. How should a beginner invest the money?",
        "What is a good way for beginners to invest {s} dollars?",
        "What can a beginner do with {s} dollars to invest?",
    ), {"s": SUMS}, "s"),
    Family("numbers", (
        "Write a story in {n} sentences about a {thing}.",
        "Tell me a story about a {thing} in {n} sentences.",
        "Please write a {thing} story that has {n} sentences.",
    ), {"n": COUNTS, "thing": _one("dragon", "lighthouse", "robot", "lost dog", "sailor", "clockmaker", "ghost",
        "tailor")}, "n"),
    Family("negation", (
        "Which breakfast foods {has} {what}?",
        "What are breakfast foods that {has} {what}?",
        "List breakfast foods that {has} {what}.",
        "Can you name foods for breakfast which {has} {what}?",
    ), {"has": (("contain",), ("do not contain", "don't contain")), "what": ALLERGENS}, "has"),
    Family("negation", (
        "How do I {turn} {setting} on {device}?",
        "What is the way to {turn} {setting} on {device}?",
        "I want to {turn} {setting} on {device}. How does it work?",
        "Steps to {turn} {setting} on {device}",
    ), {"turn": (("enable", "turn on", "activate"), ("disable", "turn off", "deactivate")), "setting": SETTINGS,
        "device": PHONES}, "turn"),
    Family("negation", (
        "Is it {safe} to eat {food} that was left out overnight?",
        "{food} was left out overnight. Is it {safe} to eat?",
        "If {food} was left out overnight, is eating it {safe}?",
    ), {"safe": (("safe",), ("unsafe", "not safe")), "food": FOODS}, "safe"),
    Family("negation", (
        "Recipe for {dish} {w} {what}",
        "How do I make {dish} {w} {what}?",
        "What is a good recipe for {dish} {w} {what}?",
        "Give me a recipe for {dish} {w} {what}.",
    ), {"dish": DISHES, "w": _one("with", "without"), "what": ALLERGENS}, "w"),
    Family("units", (
        "How many calories are in {n} {unit} of {food}?",
        "{n} {unit} of {food}: how many calories is that?",
        "What is the number of calories in {n} {unit} of {food}?",
        "If I eat {n} {unit} of {food}, how many calories do I get?",
    ), {"n": AMOUNTS[:6], "unit": (("grams", "g"), ("ounces", "oz"), ("pounds", "lb"), ("kg", "kilograms")),
        "food": FOODS},
        "unit"),
    Family("units", (
        "How hot is {n} {unit}?",
        "Is {n} {unit} considered hot?",
        "Does {n} {unit} feel hot?",
    ), {"n": AMOUNTS, "unit": (("degrees Celsius", "°C"), ("degrees Fahrenheit", "°F"))}, "unit"),
    Family("units", (
        "How do I save {s} {money} in one year?",
        "What is the best way to save {s} {money} in one year?",
        "I want to save {s} {money} in one year. How?",
    ), {"s": SUMS, "money": (("dollars", "USD"), ("euros", "EUR"), ("pounds sterling", "GBP"), ("yen", "JPY"))},
        "money"),
    Family("units", (
        "How far can I run in {n} {time}?",
        "What distance can a person run in {n} {time}?",
        "In {n} {time}, how far can one run?",
    ), {"n": COUNTS, "time": (("minutes", "min"), ("hours",), ("days",))}, "time"),
    Family("dates", (
        "What happened on {day}?",
        "Which events took place on {day}?",
        "Tell me what happened on {day}.",
        "What are the important events of {day}?",
    ), {"day": DAYS}, "day"),
    Family("dates", (
        "What are the opening hours of the {place} in {city} on {day}?",
        "When does the {place} in {city} open on {day}?",
        "On {day}, when is the {place} in {city} open?",
    ), {"place": _one("museum", "library", "town hall", "zoo", "post office"), "city": CITIES, "day": WEEKDAYS}, "day"),
    Family("dates", (
        "What was the population of {country} in {year}?",
        "How many people lived in {country} in {year}?",
        "In {year}, how large was the population of {country}?",
    ), {"country": COUNTRIES, "year": YEARS}, "year"),
    Family("dates", (
        "How is the weather in {city} in {month}?",
        "What is the weather like in {city} in {month}?",
        "In {month}, what weather can I expect in {city}?",
        "What sort of weather does {city} have in {month}?",
    ), {"city": CITIES, "month": _one(*MONTH_NAMES)}, "month"),
    Family("entities", (
        "What is the capital of {country}?",
        "Which city is the capital of {country}?",
        "What's the name of the capital city of {country}?",
        "Tell me the capital of {country}.",
    ), {"country": COUNTRIES}, "country"),
    Family("entities", (
        "What is {person} famous for?",
        "Why is {person} famous?",
        "What did {person} do to become famous?",
        "For what is {person} known?",
    ), {"person": PEOPLE}, "person"),
    Family("entities", (
        "How do I get a job at {company} in {city}?",
        "What is the best way to get a job at {company} in {city}?",
        "I would like to work for {company} in {city}. How do I get a job there?",
    ), {"company": COMPANIES, "city": CITIES}, "company"),
    Family("entities", (
        "What is the melting point of {metal}?",
        "At what temperature does {metal} melt?",
        "How hot must {metal} get to melt?",
        "Give me the melting point of {metal}.",
    ), {"metal": METALS}, "metal"),
    Family("code", (
        "What does `{code}` do in {lang}?",
        "Explain `{code}` in {lang}.",
        "In {lang}, what is the effect of `{code}`?",
        "What is the meaning of `{code}` in {lang}?",
    ), {"code": _one("x = 1", "x == 1", "x += 1", "x -= 1", "a < b", "a > b", "a[0]", "a[1]", "f(a, b)", "f(b, a)"),
        "lang": LANGUAGES}, "code"),
    Family("code", (
        "How do I use {f} in my program?",
        "What is a good example of {f}?",
        "Can you show me how {f} is used?",
        "Give me an example that uses {f}.",
    ), {"f": _one("os.path.join", "os.path.split", "str.lower()", "str.upper()", "list.sort()", "list.reverse()",
        "re.match",
                  "re.search", "json.load", "json.loads", "std::map", "std::set", "get_user", "set_user")}, "f"),
    Family("code", (
        "How do I install version {v} of {lang}?",
        "What is the way to install {lang} version {v}?",
        "I need {lang} version {v}. How do I install it?",
    ), {"v": _one("2.7", "3.1", "3.10", "3.11", "3.12", "8", "11", "17"), "lang": LANGUAGES}, "v"),
    Family("direction", (
        "Convert {n} {pair}",
        "How do I convert {n} {pair}?",
        "What do I get when I convert {n} {pair}?",
    ), {"n": AMOUNTS, "pair": _one("miles to kilometres", "kilometres to miles", "litres to gallons",
        "gallons to litres",
                                   "euros to dollars", "dollars to euros")}, "pair"),
    Family("direction", (
        "What is the cheapest flight {pair}?",
        "How do I find the cheapest flight {pair}?",
        "Show me the cheapest way to fly {pair}.",
    ), {"pair": _one("from Paris to Oslo", "from Oslo to Paris", "from Lima to Madrid", "from Madrid to Lima",
                     "from Boston to Vienna", "from Vienna to Boston", "from Osaka to Lyon", "from Lyon to Osaka")},
                     "pair"),
)  # fmt: skip


class _Filled(NamedTuple):
    family: int
    chosen: tuple[tuple[str, Spelt], ...]

    def meaning(self) -> str:
        return f"{self.family}:" + "|".join(f"{blank}={spelt[0]}" for blank, spelt in self.chosen)


def _fill(draw: random.Random, number: int) -> _Filled:
    return _Filled(number, tuple((blank, draw.choice(values)) for blank, values in FAMILIES[number].blanks.items()))


def _otherwise(draw: random.Random, filled: _Filled) -> _Filled:
    family = FAMILIES[filled.family]
    chosen = dict(filled.chosen)
    others = [value for value in family.blanks[family.differs] if value != chosen[family.differs]]
    chosen[family.differs] = draw.choice(others)
    return _Filled(filled.family, tuple(chosen.items()))


def _say(draw: random.Random, filled: _Filled, wording: str) -> str:
    text = wording.format(**{blank: draw.choice(spelt) for blank, spelt in filled.chosen})
    return text[0].upper() + text[1:]


def pairs(seed: int, near: int = 3000, paraphrases: int = 2000) -> list[Pair]:
    """So many near misses, of every family about as many, and so many paraphrases of the questions in them; in no
    order. Equal for equal seeds. A paraphrase always has another wording; a near miss has the same one half of the
    time, which is when it looks most like it."""
    draw = random.Random(seed)
    found: list[Pair] = []
    bases: list[_Filled] = []
    for count in range(near):
        family = count % len(FAMILIES)
        filled = _fill(draw, family)
        other = _otherwise(draw, filled)
        bases.append(filled)
        wordings = FAMILIES[family].wordings
        first = draw.choice(wordings)
        second = first if draw.random() < 0.5 else draw.choice(wordings)
        texts = _say(draw, filled, first), _say(draw, other, second)
        found.append(Pair(*texts, False, FAMILIES[family].kind, filled.meaning(), other.meaning()))
    for _ in range(paraphrases):
        filled = draw.choice(bases)
        family_of = FAMILIES[filled.family]
        first, second = draw.sample(family_of.wordings, 2)
        texts = _say(draw, filled, first), _say(draw, filled, second)
        found.append(Pair(*texts, True, family_of.kind, filled.meaning(), filled.meaning()))
    draw.shuffle(found)
    return found


def by_kind(found: Sequence[Pair]) -> dict[str, int]:
    """How many near misses there are of each kind."""
    return {kind: sum(not pair.same and pair.kind == kind for pair in found) for kind in KINDS}
