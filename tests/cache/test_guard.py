"""What questions have to agree in, as a table, and the properties of the comparison."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.similar.guard import BadFeatures, Features, agree, evidence, features
from gateway.cache.similar.tokens import MAX_TOKENS

# What differs, then pairs: "" agrees.
TABLE: dict[str, str] = {
    "numbers": """
        How far is 5 km in miles? | How far is 6 km in miles?
        2 eggs and 3 cups of milk | 3 eggs and 2 cups of milk
        What is 5 - 3? | What is 3 - 5?
        What changed in Python 3.10? | What changed in Python 3.1?
        What is new in version 2.0 of it? | What is new in version 2 of it?
        Who was Henry VIII? | Who was Henry VII?
        What began World War I? | What began World War II?
        read the first chapter | read the second chapter
        Is half of it enough? | Is a quarter of it enough?
        Who won in 2015? | Who won in 2016?
        ١٢٣ كتاب | ١٢٤ كتاب
        Wie viel sind zwei Pfund? | Wie viel sind drei Pfund?
        Was kosten 1.000 davon? | Was kosten 1 davon?
        give me one hundred names | give me one thousand names
        I earn $5k a year | I earn $6k a year
        Is it below -5 degrees? | Is it below 5 degrees?
        What did one apple cost? | What did two apples cost?
        """,
    "units": """
        Use 5 GB | Use 5 MB
        How long is 10 km? | How long is 10 miles?
        Is 20 C warm? | Is 20 F warm?
        How many kg is 12 stone? | How many lb is 12 stone?
        How do I save $100? | How do I save €100?
        How do I save 100 dollars? | How do I save 100 euros?
        How many days until Christmas? | How many hours until Christmas?
        Raise it by 5% | Raise it by 5
        a link of 100 Mb | a link of 100 MB
        """,
    "dates": """
        a meeting on Monday | a meeting on Tuesday
        What happened in March 1917? | What happened in April 1917?
        Is it open today? | Is it open tomorrow?
        a flight on 2016-01-05 | a flight on 2016-01-06
        wake me at 5 pm | wake me at 5 am
        news of last week | news of last month
        Was geschah im Januar? | Was geschah im Juni?
        """,
    "negation": """
        Is it safe to eat raw eggs? | Is it not safe to eat raw eggs?
        Why can't I log in? | Why can I log in?
        Why can\u2019t I log in? | Why can I log in?
        tea with milk | tea without milk
        Is this legal? | Is this illegal?
        foods that contain gluten | foods that never contain gluten
        Ist das erlaubt? | Ist das nicht erlaubt?
        C'est possible ? | Ce n'est pas possible ?
        ¿Es seguro beber? | ¿No es seguro beber?
        È possibile farlo? | Non è possibile farlo?
        É seguro beber? | Não é seguro beber?
        Is het veilig? | Is het niet veilig?
        """,
    "opposites": """
        How do I enable dark mode? | How do I disable dark mode?
        How can I increase it? | How can I decrease it?
        How do I turn on the light? | How do I turn the light off?
        How do I turn on the light? | How do I disable the light?
        the maximum of a list | the minimum of a list
        Should I buy shares? | Should I sell shares?
        What happens before it? | What happens after it?
        orders over that | orders under that
        How is a file uploaded? | How is a file downloaded?
        ¿Dónde puedo comprar oro? | ¿Dónde puedo vender oro?
        """,
    "names": """
        What is the capital of France? | What is the capital of Germany?
        what is the capital of france? | what is the capital of germany?
        How old is Ada Lovelace? | How old is Alan Turing?
        How much vitamin C do I need? | How much vitamin D do I need?
        How do I reset my Gmail password? | How do I reset my password?
        Write an mp3 file | Write an mp4 file
        How do I learn C#? | How do I learn C++?
        Paris hotels by the sea | Nice hotels by the sea
        NASA's budget | ESA's budget
        derivative of x | derivative of y
        """,
    "quotes": """
        What does "foo bar" mean? | What does "bar foo" mean?
        Translate 'good day' to French | Translate 'good night' to French
        Was heißt „gut“ auf Englisch? | Was heißt „böse“ auf Englisch?
        「犬」とは? | 「猫」とは?
        """,
    "code": """
        what does `x = 1` do? | what does `x = 2` do?
        ```py\\nprint(1)\\n``` fails | ```py\\nprint(2)\\n``` fails
        """,
    "identifiers": """
        explain os.path.join | explain os.path.split
        write to bob@example.com | write to eve@example.com
        summarise https://a.example/x | summarise https://a.example/y
        What is in main.py? | What is in setup.py?
        What does get_user do? | What does set_user do?
        What does std::move do? | What does std::swap do?
        run it with --force | run it with --dry-run
        """,
    "operators": """
        What is 5 + 3? | What is 5 - 3?
        What is x^2 + 3x? | What is x^2 - 3x?
        Is a < b here? | Is a > b here?
        """,
    "question": """
        When was she born? | Where was she born?
        How many people live there? | Why do people live there?
        How many people go? | How much do people go?
        """,
    "order": """
        Convert USD to EUR | Convert EUR to USD
        convert miles to kilometers | convert kilometers to miles
        How do I migrate to Postgres from MySQL? | How do I migrate from Postgres to MySQL?
        Does the dog bite the man? | Does the man bite the dog?
        Is silver heavier than gold? | Is gold heavier than silver?
        2 eggs and 3 cups of milk | 2 cups and 3 eggs of milk
        """,
    "word": """
        What is the melting point of tin? | What is the melting point of lead?
        what is marie curie famous for? | what is emmy noether famous for?
        """,
    "": """
        How can I save 10k pounds sterling? | How can I save 10,000 GBP?
        How do I turn on dark mode? | How do I enable dark mode?
        Why did they acquire it in the end? | Why did they acquired it in the end?
        How much time does it take to run? | How long does it take to run?
        How far is 5 km in miles? | How far is 5 kilometres in miles?
        2 cups of milk | two cups of milk
        one hundred and five apples | 105 apples
        I have 1,500,000 dollars | I have $1.5 million
        twenty-one guns | 21 guns
        the 1st chapter | the first chapter
        What began World War II? | What began World War 2?
        a meeting on January 5th, 2016 at 5pm | a meeting on 2016-01-05 at 17:00
        a meeting on January 5, 2016 | a meeting on 5 January 2016
        How do I enable dark mode? | How do I activate dark mode?
        How do I turn on the light? | How do I turn the light on?
        Is it unsafe to do it? | Is it not safe to do it?
        Why can't I log in? | Why can\u2019t I log in?
        What is the capital of France? | what's the capital city of france
        In Python, how do I sort a list? | How do I sort a list in Python?
        Python vs Java | Java versus Python
        What is the difference between a bridge and a culvert? | Difference between culvert and bridge?
        How do I migrate to Postgres from MySQL? | How do I migrate from MySQL to Postgres?
        What is "foo" here? | What is “foo” here?
        Which one is best? | Which is best?
        How can one learn it? | How can I learn it?
        Is 20 °C warm? | Is 20 degrees Celsius warm?
        Is it true or not? | Is it true?
        Explain photosynthesis | Describe photosynthesis
        \uff11\uff12 Äpfel | 12 Äpfel
        """,
}  # fmt: skip
PAIRS = [
    (kind, *(side.strip().replace("\\n", "\n") for side in line.split(" | ")))
    for kind, lines in TABLE.items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("kind", "a", "b"), PAIRS)
def test_what_differs(kind: str, a: str, b: str) -> None:
    assert agree(features(a), features(b)) == kind
    assert (agree(features(b), features(a)) == "") is (kind == "")


WORDS = (
    "how do I convert 5 6 km miles to from not and or than Paris python Monday may 2016 - + $ % 'x' \"q\" `c` a.b_c"
    " first second one hundred thousand before after C F A US II ? . , : on off turn 5pm 1/2 1.000 half"
)
TEXTS = st.one_of(
    st.text(max_size=120), st.lists(st.sampled_from(sorted(set(WORDS.split()))), max_size=20).map(" ".join)
)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_question_agrees_with_itself_and_survives_storage(text: str) -> None:
    found = features(text)
    assert agree(found, features(text)) == ""
    assert Features.from_bytes(found.to_bytes()) == found


@given(TEXTS, TEXTS)
@settings(max_examples=300, deadline=None)
def test_agreement_has_no_direction(a: str, b: str) -> None:
    one, other = features(a), features(b)
    assert (agree(one, other) == "") is (agree(other, one) == "")


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_bytes_of_others_are_refused_or_read(data: bytes) -> None:
    try:
        found = Features.from_bytes(data)
    except BadFeatures:
        return
    assert isinstance(agree(found, found), str)


def test_another_version_is_refused() -> None:
    data = features("How far is it?").to_bytes()
    with pytest.raises(BadFeatures, match="version"):
        Features.from_bytes(bytes([data[0] + 1]) + data[1:])
    with pytest.raises(BadFeatures):
        Features.from_bytes(data[:-1])


def test_what_is_behind_many_tokens_counts_word_for_word() -> None:
    text = "well " * MAX_TOKENS
    assert agree(features(text + "yes"), features(text + "yes")) == ""
    assert agree(features(text + "yes"), features(text + "perhaps")) == "code"


@pytest.mark.parametrize(
    "unit", ["a", "_", "a.", "'", "' a", "\u201c", "`", "-a", "/a", "a@", "a_", "5 - ", "a::", ".a", "one "]
)
def test_no_text_takes_long(unit: str) -> None:
    """Not timed: what took quadratic time would not end within the test's patience at this length."""
    assert isinstance(features(unit * (200_000 // len(unit))), Features)


def test_the_same_words_are_better_evidence_than_others() -> None:
    a, b, c = (features(text) for text in ("How do I sort a list?", "Sort a list: how?", "How do I order a table?"))
    assert evidence(a, b, 0.9) == pytest.approx(0.9)
    assert evidence(a, c, 0.9) == evidence(c, a, 0.9) == pytest.approx(0.9 * 0.6)
    empty = features("")
    assert evidence(empty, empty, 0.5) == 0.5
