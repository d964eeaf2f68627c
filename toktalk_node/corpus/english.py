"""English text to speak: sentences, questions, exclamations, numbers, short answers, and single words for coverage.

All sentences and lists are our own. The single words come from the pronouncing dictionary in PocketSphinx's wheel
where it is installed; they bring the rare phone pairs that everyday sentences lack.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np

from .grammar import expand, sentence_case

_WORDS: dict[str, str] = {
    "name": """Anna Peter Maya Oliver Grace Victor Paula Hugo Beth Martin Zoe Frank Sophie Ibrahim Judith Walter
        Mabel Felix Nadia Robert Yvonne Hannah George Chloe Bruno Pamela Theo Wendy Abby Boris""",
    "person": """teacher doctor neighbour painter farmer baker pilot mother father brother sister uncle child baby
        lawyer singer waiter plumber nurse driver judge student cowboy gardener fisherman librarian poet tailor
        carpenter
        shopkeeper visitor guide captain cousin grandmother policeman actor mayor butcher engineer robot""",
    "animal": """cat dog horse rabbit fox owl goose pigeon wolf bear sheep lamb mouse beaver whale butterfly beetle
        puppy donkey thrush giraffe monkey elephant zebra camel frog hedgehog otter magpie""",
    "thing": """book map paper pipe bottle table lamp window bucket coffee cup apple peach mushroom shirt shoe glove
        watch chair bridge boat ship bus bicycle train wheel engine hammer rope knife spoon fork blanket pillow curtain
        mirror
        piano violin drum trumpet guitar photograph postcard envelope letter newspaper magazine television telephone
        computer keyboard button pocket jacket umbrella basket ladder broom brush towel soap oven kettle pan bowl jar
        box cupboard shelf candle match fire clock calendar ticket passport suitcase wallet coin key door gate fence
        roof wall brick stone flower rose bush leaf branch root pebble puddle cloud shadow feather ribbon thimble zip
        leather vase cage toy coin
        oyster voice oil boy king ring wing mouth cloth path house couch crown
        measure treasure thumb tooth mouth jaw""",
    "food": """bread butter cheese soup pepper pumpkin pie vegetable beef fish rice pasta pizza salad yoghurt honey
        jam porridge pancake muffin plum cherry berry orange melon grape banana potato tomato carrot cabbage onion
        garlic
        pea bean mushroom chocolate vanilla ginger sugar salt vinegar juice milk tea lemonade""",
    "adjective": """big small old young happy sad warm cold wet dry bright dark quiet loud heavy light soft rough
        smooth sharp blunt round flat deep shallow clean dirty empty full cheap precious strange familiar funny serious
        brave
        shy polite rude lazy busy clever foolish gentle fierce rich poor fresh rotten sweet bitter sour thick thin
        broad narrow purple yellow blue brown green grey pink orange beautiful ugly wonderful terrible marvellous
        horrible useful boring lovely curious famous invisible impossible comfortable
        noisy royal joyful spoiled annoying proud thirsty healthy pleasant strong
        fabulous awful fluffy""",
    "adverb": """slowly quickly quietly loudly carefully gladly sadly often never always usually probably perhaps
        finally suddenly simply really hardly nearly truly politely bravely nervously patiently beautifully thoughtfully
        smoothly obviously""",
    "past": """bought found lost kept broke painted fixed washed dropped pushed pulled moved watched wanted needed
        loved hated borrowed carried followed noticed remembered forgot described measured covered opened closed hid
        brought
        caught threw touched chose gave sold stole wrapped packed polished promised imagined admired prepared improved
        shook showed""",
    "verb": """buy find lose keep break paint fix wash drop push pull move watch want need love hate borrow carry
        follow notice remember forget describe measure cover open close hide bring catch throw touch choose sell wrap
        pack
        polish imagine admire prepare improve show shake give check""",
    "going": """walked ran jumped drove swam climbed travelled wandered hurried rushed marched crawled danced moved
        sailed stepped""",
    "place": """garden kitchen school church market station harbour airport library museum village forest valley
        beach river mountain bridge office factory hospital theatre cinema bakery bathroom bedroom basement attic pub
        park
        playground zoo castle farm field island desert lighthouse shop workshop""",
    "preposition": "in near behind above below beside beyond opposite before across around",
    "town": """London Paris Boston Berlin Vienna Moscow Tokyo Bombay Prague Warsaw Geneva Dublin Plymouth Zurich
        Havana Cuba Japan Spain Poland Brazil Egypt France Kenya Peru Fiji""",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "month": """January February March April May June July August September October November December""",
    "number": """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        twenty thirty forty fifty sixty seventy eighty ninety""",
    "unit": "minutes hours days weeks months years miles pounds steps people pages boxes bottles bags",
}

_PHRASES: dict[str, list[str]] = {
    "time": [
        "today", "yesterday", "tomorrow", "this morning", "last night", "on {day}", "in {month}",
        "at half past {number}", "before breakfast", "after lunch", "all week", "a moment ago", "every {day}",
        "for {number} {unit}", "again",
    ],
    "subject": [
        "{name}", "the {person}", "my {person}", "our {adjective} {person}", "the {person} and the {person}",
        "a {animal}", "the {adjective} {animal}", "she", "he", "we", "they", "you", "I", "everybody", "nobody",
        "the {person} from {town}", "{name} and {name}",
    ],
    "object": [
        "the {thing}", "a {adjective} {thing}", "my {thing}", "the {food}", "some {food}", "the {person}'s {thing}",
        "both the {thing} and the {thing}", "his {adjective} {thing}", "her {thing}", "{number} {unit}", "it",
        "them", "the {animal}", "that {adjective} {food}", "this {thing}",
    ],
    "where": [
        "in the {place}", "{preposition} the {place}", "at the {place}", "from {town}", "to {town}",
        "on the {thing}", "under the {thing}", "by the {adjective} {place}", "with the {person}", "without {name}",
    ],
    "clause": [
        "{subject} {past} {object}", "{subject} {past} {object} {where}", "{subject} {adverb} {past} {object}",
        "{subject} {going} {where}", "{subject} {going} {adverb} {where}", "{subject} {past} {object} {time}",
        "the {thing} was {adjective}", "the {food} tasted {adjective} and {adjective}",
        "it was a {adjective} {thing}", "there was {object} {where}", "{time}, {subject} {past} {object}",
        "{subject} could {verb} {object}", "{subject} should never {verb} {object}",
        "{subject} would rather {verb} {object} {where}",
    ],
    "joint": ["and", "but", "because", "so", "while", "although", "before", "after", "until", "if", "whenever"],
    "question": [
        "did {subject} {verb} {object}?", "where is {object}?", "who {past} {object} {where}?",
        "why was the {thing} so {adjective}?", "can you {verb} {object}, please?", "do you want {food} or {food}?",
        "how many {unit} are there {where}?", "what would {name} {verb} {where}?",
        "have you been to {town}, or to {town}?", "is it {adjective} or {adjective}?",
        "which {thing} should we {verb}?", "may I {verb} this {thing}?", "would you {verb} my {thing} {time}?",
    ],
    "exclamation": [
        "what a {adjective} {thing}!", "how {adjective}!", "look, {object}!", "stop, that is my {thing}!",
        "{name}, {verb} it!", "oh no, the {animal} {past} {object}!", "wow, {clause}!",
        "please, {verb} the {thing}!", "be {adjective}!", "happy birthday, {name}!", "hooray, {clause}!",
    ],
    "answer": [
        "no.", "yes.", "maybe.", "perhaps.", "of course.", "why not?", "never mind.", "oh well.",
        "thank you very much.", "good morning, {name}.", "goodbye.", "bye bye, {name}.", "see you {time}.",
        "I do not think so.", "absolutely.", "me too.", "hm, maybe {time}.", "whatever.", "all right.",
        "I beg your pardon?", "sure, {name}.", "both, please.", "nothing.", "that is {adjective}.", "probably not.",
        "up.", "five.", "move.", "about {number}.", "I am sorry.", "welcome to {town}.", "pop.",
        "maybe a bit more {food}.", "mm, {adjective} {food}.", "what?", "who, me?", "you.",
    ],
    "numbers": [
        "{number}, {number}, {number}.", "{number} plus {number} is not {number}.",
        "the {month} bill was {number} hundred and {number} pounds.",
        "call {number} {number} {number}, {number} {number}.", "page {number}, line {number}.",
        "it is {number} past {number}.",
        "room {number} hundred and {number}, on the {number}th floor of the {place}.",
        "{number} point {number} percent.", "the year {number} {number}.",
        "between {number} thousand and {number} million {unit}.",
    ],
    "list": [
        "{food}, {food}, {food} and {food}.", "a {thing}, a {thing}, and {number} {unit}.",
        "{name}, {name}, {name} and {name}.", "{adjective}, {adjective}, but {adjective}.",
    ],
    "statement": [
        "{clause}.", "{clause}.", "{clause}.", "{clause} {joint} {clause}.", "{clause}, {joint} {clause}.",
        "{joint} {clause}, {clause}.", "{adverb}, {clause}.", "{clause}, {clause}, and {clause}.",
        "as {name} said, {clause}.", "I think that {clause}.", "well, {clause}, you know.",
    ],
    "words": [
        "{rare}, {rare}.", "say {rare} and {rare}.", "{rare} or {rare}?", "the {rare} and the {word} {past} {object}.",
        "my {rare} is {adjective}.",
        "{word}.", "{word}, {word}.", "the word is {word}.", "{word}, {word}, {word}, {word}.", "say {word} again.",
        "they {past} {word} and {word} {where}.", "is it {word}, or {word}?", "not {word}, {word}!",
        "the {word} of {word} was {adjective}.", "{word} {word} {word}.",
    ],
}  # fmt: skip

_KINDS = {
    "statement": 0.40, "question": 0.12, "exclamation": 0.09, "answer": 0.09, "numbers": 0.06, "list": 0.04,
    "words": 0.20,
}  # fmt: skip


_RARE = frozenset("OY ZH NG TH AW JH CH UH G".split())
"""Phones that running text brings seldom."""


@cache
def _slots() -> dict[str, list[str]]:
    slots = {name: text.split() for name, text in _WORDS.items()} | _PHRASES
    words = _dictionary()
    rare = {phone: [word for word, phones in words.items() if phone in phones] for phone in sorted(_RARE)}
    slots |= {f"with{phone}": found or slots["thing"] for phone, found in rare.items()}
    return slots | {"word": list(words) or slots["thing"], "rare": [f"{{with{phone}}}" for phone in rare]}


@cache
def _dictionary() -> dict[str, list[str]]:
    """Plain lower-case words of the pronouncing dictionary and their phones; empty without PocketSphinx."""
    try:
        import pocketsphinx
    except ImportError:
        return {}
    path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    entries = (line.split() for line in path.read_text("utf-8").splitlines() if line.strip())
    plain = ((word, phones) for word, *phones in entries if word.isascii() and word.isalpha() and 3 <= len(word) <= 11)
    return dict(sorted(plain))


def english_text(rng: np.random.Generator) -> str:
    """One utterance: a sentence, or now and then two."""
    kinds, weights = list(_KINDS), np.array(list(_KINDS.values()))
    parts = []
    for _ in range(1 + int(rng.random() < 0.25)):
        kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
        parts.append(expand("{" + kind + "}", _slots(), rng))
    text = re.sub(r"\b([Aa]) (?=[aeiou])(?!useful)", r"\1n ", " ".join(parts))
    return sentence_case(text)
