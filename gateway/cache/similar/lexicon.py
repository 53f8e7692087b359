"""The word lists of the guard: closed lists, folded (``tokens.fold``). A word that is missing costs a wrong answer's
chance that the vectors have to stop; one too many costs a hit."""

from __future__ import annotations

from collections.abc import Mapping


def listed(words: str) -> frozenset[str]:
    """The words of a list that is written down as a text."""
    return frozenset(words.split())


ALIASES: Mapping[str, str] = {
    "usa": "us", "america": "us", "britain": "uk", "colour": "color", "favourite": "favorite", "centre": "center",
    "programme": "program", "organisation": "organization", "behaviour": "behavior", "grey": "gray", "&": "and",
    "versus": "vs", "bday": "birthday", "pics": "pictures", "photos": "pictures", "app": "application",
    "apps": "applications", "maths": "math", "mathematics": "math",
}  # fmt: skip
"""Spellings of one word."""

STOP = listed(
    """
    a an the of to in on at by for from with as is are was were be been being am do does did done doing have has
    had having i you he she it we they me him her us them my your his its our their mine yours this that these
    those there here and or but if then so than what which who whom whose when where why how can could should
    would will shall may might must get got getting also any some all just very really actually please tell
    explain give describe show help let make one ones it's i'm ve re ll d s t m about into not no way best good
    need want like use using used der die das ein eine und oder ist sind wie was wer wo wann warum ich du sie wir
    le la les un une des et ou est que el los las una y o es como il lo gli e di da o os as um uma de het een en
    van
    """
)
"""Words that say little by themselves, in the questions of which a paraphrase differs most."""

STARTERS = listed(
    """
    accept add after again all also although always among analyze and answer any anyone approximately are aren
    around as ask assume at based because before being besides between both briefly build but by calculate can
    change check choose classify code come compare complete compute consider convert correct could count create
    debug define delete describe design despite determine did difference differentiate do does don draft during
    each edit either else estimate evaluate even ever every everyone evidently explain extract fill find first fix
    follow for from generate get give given go good had has have having he hello help her here hey hi his how
    however i identify if imagine implement improve in including instead into is isn it its just keep know latest
    let like list look make many may maybe me might more most must my name need never next no not nothing now of
    off on once one only optimize or order other our out outline over people perform perhaps please plan pls
    predict prepare proofread prove provide put quick quickly rank rather read really recommend refactor remove
    replace reply rewrite run say sample see select send set shall she should show simplify since so solve some
    somebody someone something sort spell start state still stop such suggest summarize summarise suppose sure
    take talk teach tell test than thanks that the their them then there these they thing things think this those
    though through to today transform translate try turn under unless until up update upon use using very walk
    want was we were what whatever whats when whenever where wherever whether which while who whom whose why will
    with within without won wont work would write yes yet you your was wie wer wo wann warum welche welcher
    welches ist sind kann können gib nenne erkläre schreibe der die das ein eine comment pourquoi quand où qui que
    quel quelle quels quelles est donne explique écris le la les un une qué cómo cuándo dónde quién por cuál
    cuáles es explica escribe el los las una come perché quando dove chi quale quali è spiega scrivi il lo gli
    como onde quem qual quais explique escreva o os as um uma hoe waarom waar wat welke is leg schrijf de het een
    definition recipe story meaning difference differences example examples question ways tips reasons steps
    advantages pros cons best better cheap cheapest easy easiest top common main major simple free great big small
    new old
    """
)
"""What sentences of questions and tasks begin with. Any other capital at the beginning may be a name's."""

NUMBER_WORDS: Mapping[str, int] = {
    word: value
    for value, words in {
        0: "zero cero", 1: "eins", 2: "two zwei deux twee", 3: "three drei trois tre drie três",
        4: "four vier quatre cuatro quattro quatro", 5: "five fünf cinq cinco cinque vijf",
        6: "six sechs seis zes",
        7: "seven sieben siete sette sete zeven", 8: "eight acht huit ocho otto oito",
        9: "nine neun neuf nueve nove negen",
        10: "ten zehn dix diez dieci dez tien", 11: "eleven onze undici", 12: "twelve zwölf douze doce dodici dozen",
        13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen",
        20: "twenty zwanzig vingt veinte venti vinte twintig", 30: "thirty dreißig trente treinta trenta trinta dertig",
        40: "forty fourty vierzig quarante cuarenta quaranta", 50: "fifty fünfzig cinquante cincuenta cinquanta",
        60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety",
    }.items()
    for word in words.split()
}  # fmt: skip
SCALES: Mapping[str, int] = {
    "hundred": 100, "hundert": 100, "cien": 100, "thousand": 1000, "tausend": 1000, "mille": 1000,
    "mil": 1000, "lakh": 100_000, "lakhs": 100_000, "lac": 100_000, "million": 10**6, "millions": 10**6, "mn": 10**6,
    "crore": 10**7, "crores": 10**7, "billion": 10**9, "billions": 10**9, "bn": 10**9, "trillion": 10**12,
}  # fmt: skip
ORDINALS: Mapping[str, int] = {
    "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11,
    "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17,
    "eighteenth": 18, "nineteenth": 19, "twentieth": 20,
}  # fmt: skip
"""``first`` and ``second`` are counted by what stands before them: both are other words as well."""
FRACTIONS: Mapping[str, str] = {
    "half": "1/2", "halves": "1/2", "quarter": "1/4", "quarters": "1/4", "twice": "x2", "double": "x2", "doubled": "x2",
    "thrice": "x3", "triple": "x3", "tripled": "x3", "quadruple": "x4",
}  # fmt: skip

NEGATIONS = listed(
    """
    not no never none nothing nobody nowhere neither nor without cannot cant dont doesnt didnt wont isnt arent
    wasnt werent couldnt shouldnt wouldnt havent hasnt hadnt aint non except excluding avoid unless hardly nicht
    kein keine keinen keinem keiner keines nie niemals ohne nichts niemand pas jamais sans aucun aucune rien nunca
    jamás sin ningún ninguna ninguno nada tampoco nadie senza nessun nessuna nessuno niente nulla mai não nao sem
    nenhum nenhuma ninguém niet geen nooit zonder niets niemand
    """
)
UN_WORDS = listed(
    """
    unable unsafe unsecure insecure impossible illegal invalid unavailable unlimited infinite unknown unhealthy
    unhappy unnecessary unimportant unfair unusual unlikely uncommon unpaid unverified unsigned unsorted unordered
    unstable unreliable unsupported unhandled unpopular uncertain unclear unequal inactive incomplete incorrect
    incompatible independent indirect inappropriate inaccurate ineffective inefficient informal invisible
    involuntary irregular irrelevant irrational irreversible immoral immature immutable imperfect imbalanced
    dishonest asymmetric asynchronous nonlinear nonfiction nonprofit nonzero noninvasive nonrenewable
    nonvegetarian stateless wireless endless hopeless useless harmless painless
    """
)
"""Counted like a negation: "not safe" and "unsafe" are one each."""


def _table(lines: str) -> dict[str, str]:
    return {word: line.split()[0] for line in lines.splitlines() for word in line.split()}


UNITS: Mapping[str, str] = _table(
    """km kilometer kilometers kilometre kilometres kms
mile miles mi
meter meters metre metres
cm centimeter centimeters centimetre centimetres cms
mm millimeter millimeters millimetre millimetres
inch inches
foot feet ft
yard yards yd
kg kilogram kilograms kilo kilos kgs kilogramm
gram grams gramme grammes
mg milligram milligrams
lb lbs pound pounds
ounce ounces oz
ton tons tonne tonnes
stone
liter liters litre litres
ml milliliter milliliters millilitre millilitres
gallon gallons gal
cup cups
pint pints
tablespoon tablespoons tbsp
teaspoon teaspoons tsp
celsius centigrade
fahrenheit
kelvin
mph
kmh kph
acre acres
hectare hectares
kb kilobyte kilobytes
mb megabyte megabytes
gb gigabyte gigabytes
tb terabyte terabytes
kbit kilobit kilobits
mbit megabit megabits mbps
gbit gigabit gigabits gbps
hz hertz
khz
mhz
ghz
volt volts
amp amps ampere amperes
watt watts
kw kilowatt kilowatts
kwh
joule joules
calorie calories kcal cal
psi
pascal pascals
usd dollar dollars $ bucks
eur euro euros €
gbp £ sterling quid
jpy yen ¥
inr rupee rupees rs ₹
cny yuan rmb
rub ruble rubles rouble roubles ₽
krw won ₩
chf franken
aud
cad
mxn peso pesos
brl reais
btc bitcoin bitcoins ₿
eth ethereum ether
% percent percentage prozent
degree degrees °
radian radians
ms millisecond milliseconds
us microsecond microseconds μs"""
)
"""Units that are none but that, wherever they stand."""

SHORT_UNITS: Mapping[str, str] = {
    **_table(
        """b byte bytes
bits bit
s second seconds sec secs
min minute minutes mins
h hour hours hr hrs
d day days
week weeks wk
month months
y year years yr yrs"""
    ),
    "m": "meter", "g": "gram", "l": "liter", "c": "celsius", "f": "fahrenheit", "k": "kelvin", "in": "inch",
    "v": "volt", "w": "watt", "a": "amp", "t": "ton",
}  # fmt: skip
"""Units only behind a number."""
STRAY_UNITS = listed("won stone foot us rs cal mi percentage cups cup ether yard degree degrees")
"""Words of UNITS that mean something else when no number stands before them."""

MONTHS: Mapping[str, int] = {
    word: number
    for number, words in enumerate(
        (
            "january januar janvier enero gennaio janeiro januari jan",
            "february februar février febrero febbraio fevereiro februari feb",
            "march märz marzo março maart mars mar",
            "april avril abril aprile apr",
            "may mai mayo maggio maio mei",
            "june juni juin junio giugno junho jun",
            "july juli juillet julio luglio julho jul",
            "august août agosto augustus aug",
            "september septembre septiembre settembre setembro sept sep",
            "october oktober octobre octubre ottobre outubro oct okt",
            "november novembre noviembre novembro nov",
            "december dezember décembre diciembre dicembre dezembro dec dez",
        ),
        1,
    )
    for word in words.split()
}
AMBIGUOUS_MONTHS = listed("march mars mar may mai mei jan dec sep dez")
"""Months only beside a number, or behind "in", "since"."""
WEEKDAYS: Mapping[str, int] = {
    word: number
    for number, words in enumerate(
        (
            "monday mondays montag lundi lunes lunedì maandag",
            "tuesday tuesdays dienstag mardi martes martedì dinsdag",
            "wednesday wednesdays mittwoch mercredi miércoles mercoledì woensdag",
            "thursday thursdays donnerstag jeudi jueves giovedì donderdag",
            "friday fridays freitag vendredi viernes venerdì vrijdag",
            "saturday saturdays samstag samedi sábado sabato zaterdag",
            "sunday sundays sonntag dimanche domingo domenica zondag",
        ),
        1,
    )
    for word in words.split()
}
RELATIVE: Mapping[str, str] = {
    word: line.split()[0]
    for line in (
        "today heute aujourd'hui hoy oggi hoje vandaag",
        "tomorrow morgen demain mañana domani amanhã",
        "yesterday gestern hier ayer ieri ontem gisteren",
        "tonight",
        "weekend weekends wochenende",
        "ago",
    )
    for word in line.split()
}
NEAR = listed("last next this previous coming past current every")
SPANS = listed(
    """
    week month year quarter decade century summer winter spring autumn fall morning evening afternoon night
    """
)  # fmt: skip

ASKS: Mapping[str, str] = {
    "who": "who", "whom": "who", "whose": "who", "when": "when", "where": "where", "why": "why", "how": "how",
    "wer": "who", "wann": "when", "wo": "where", "warum": "why", "wieso": "why", "wie": "how",
    "qui": "who", "quand": "when", "où": "where", "pourquoi": "why", "comment": "how",
    "quién": "who", "cuándo": "when", "dónde": "where", "cómo": "how", "chi": "who", "dove": "where", "perché": "why",
    "quem": "who", "onde": "where", "wie's": "who", "waar": "where", "waarom": "why", "wanneer": "when", "hoe": "how",
}  # fmt: skip
MEASURES = listed("many much long often far old tall big deep high fast large heavy soon late")
"""After "how": another question than how."""
