"""Words that turn a question round: the sides of pairs, folded (``tokens.fold``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.cache.similar.lexicon import listed


def _forms(word: str) -> Iterable[str]:
    """The inflected forms of an English verb or noun; some of them are no words, which no text contains."""
    yield word
    yield word + "s"
    if word.endswith("e"):
        yield from (word + "d", word[:-1] + "ing", word + "r", word[:-1] + "ion")
    elif word.endswith("y"):
        yield from (word[:-1] + "ies", word[:-1] + "ied", word + "ing")
    else:
        yield from (
            word + "ed",
            word + "ing",
            word + "es",
            word + "er",
            word + word[-1] + "ed",
            word + word[-1] + "ing",
        )


OPPOSITES = """enable activate | disable deactivate switchoff
increase raise grow maximize | decrease reduce lower shrink minimize
before prior | after
max maximum maximal highest | min minimum minimal lowest
buy bought purchase | sell sold
add insert | remove delete subtract
create | destroy
import | export
upload | download
encode | decode
encrypt | decrypt
compress zip | decompress unzip extract
serialize | deserialize
read | write
send sent | receive
lock | unlock
mount | unmount
install | uninstall
attach | detach
connect | disconnect
subscribe | unsubscribe
follow | unfollow
block ban | unblock unban
hide hid hidden | unhide show
like love | dislike hate
gain | lose lost losing
win won winning | lose lost losing
open | close
start begin began | stop end finish
accept approve | reject decline refuse deny
allow permit | forbid prohibit prevent
push | pull
lend | borrow
rent lease | own
teach taught | learn
teacher professor | student pupil
employer | employee
parent father mother | child son daughter
positive | negative
true | false
ascending asc | descending desc
vertical | horizontal
row | column
input | output
client | server
frontend | backend
public | private
internal inner inside indoor | external outer outside outdoor
upper top | lower bottom
over above | under below
odd | even
singular | plural
debit | credit
advantage pro pros benefit upside | disadvantage con cons drawback downside
best better good | worst worse bad
more most | less least fewer
hot hotter warm heat | cold colder cool
high higher tall | low lower short
fast faster quick | slow slower
big bigger biggest large larger largest | small smaller smallest little
long longer longest | short shorter shortest
old older oldest | new newer newest
old older oldest | young younger youngest
rich | poor
cheap cheaper cheapest | expensive
strong stronger | weak weaker
early earlier earliest | late later latest
hard harder difficult | easy easier simple
thick | thin
deep | shallow
heavy | light
wet | dry
left | right
north northern | south southern
east eastern | west western
past previous last | future next
first | last final
major | minor
male man men boy husband he his him | female woman women girl wife she her
legal | illegal
always | never
day | night
morning | evening
sunrise | sunset
summer | winter
spring | autumn
synchronous sync | asynchronous async
static | dynamic
mutable | immutable
plus | minus
multiply times | divide divided
integral integrate integration | derivative differentiate differentiation
sine sin | cosine cos | tangent tan
numerator | denominator
bullish bull | bearish bear
vegetarian vegan | meat
introvert introverted | extrovert extroverted
supply | demand
assets asset | liabilities liability
revenue income profit | expense cost loss
acid | base
cause | effect
arrive arrival | depart departure leave
enter entrance | exit
include | exclude
encourage | discourage
agree | disagree
appear | disappear
trust | distrust
cover | uncover
wrap | unwrap
pack | unpack
login signin logon | logout signout logoff
sender | recipient receiver
winner | loser
host | guest
landlord | tenant
doctor | patient
singer | actor
author writer | reader
predator | prey
attack | defend defense
war | peace
life live alive | death die dead died
birth born | death die died
marry married marriage | divorce divorced
shorten | expand elaborate
formal | informal
optional | required mandatory
front | back
forward | backward backwards
clockwise | counterclockwise anticlockwise
domestic national | foreign international
full | empty
introduction | conclusion
breakfast | lunch | dinner
http | https
ipv4 | ipv6
tcp | udp
sql | nosql
red | blue | green | yellow | black | white | orange | purple | pink | brown
cat | dog | horse | fish
einschalten aktivieren | ausschalten deaktivieren
kaufen | verkaufen
vor | nach
aumentar | disminuir reducir
comprar | vender
antes | después depois
augmenter | diminuer réduire
acheter | vendre
avant | après
"""


def _sides() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for number, line in enumerate(OPPOSITES.splitlines()):
        for side, words in enumerate(line.split("|")):
            for word in words.split():
                for form in _forms(word) if word.isascii() and len(word) > 2 else (word,):
                    found.setdefault(form, set()).add(f"{number}.{side}")
    return {word: tuple(sorted(sides)) for word, sides in found.items()}


SIDES: Mapping[str, tuple[str, ...]] = _sides()
"""Word -> the sides of opposites that it takes, ``<line>.<side>``."""

PARTICLES: Mapping[str, str] = {"on": "on", "off": "off", "in": "in", "out": "out", "up": "up", "down": "down"}
SWITCHES: Mapping[str, str] = {"on": SIDES["enable"][0], "off": SIDES["disable"][0]}
SWITCHING = listed("turn turned turning turns switch switched switching switches")
"""Verbs that with "on" and "off" say "enable" and "disable"."""
PHRASAL = listed(
    """
    log logged logging sign signed signing zoom zooming opt
    check checked move moving scale scaling roll rolling go going
    """
)
"""Verbs whose particle makes the sense: "turn on", "turn it off"."""
