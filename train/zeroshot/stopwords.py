"""Words that LAMBADA's answers never are, and where a word that a model writes ends.

The paper (section 3.3) filters "stop-words" without saying which: these are English function words, listed here.
"""

from __future__ import annotations

import re

_LISTED = (
    # articles, determiners, quantifiers
    "a an the this that these those some any no every each either neither both all few many much more most several "
    "such another other others enough less least own same "
    # pronouns
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers "
    "herself it its itself they them their theirs themselves one ones who whom whose which what whoever whatever "
    # prepositions and particles
    "about above across after against along among around as at before behind below beneath beside between beyond by "
    "down during except for from in inside into like near of off on onto out outside over past since through "
    "throughout to toward towards under until up upon with within without "
    # conjunctions and adverbs of their kind
    "and but or nor so yet if because although though while whereas when where why how than whether unless once then "
    "there here again too very just only even also not never ever now still already almost always often rather quite "
    # auxiliaries
    "am is are was were be been being have has had having do does did doing done will would shall should can could may "
    "might must ought need dare used isn't aren't wasn't weren't haven't hasn't hadn't don't doesn't didn't won't "
    "wouldn't shan't shouldn't can't cannot couldn't mightn't mustn't needn't i'm you're he's she's it's we're they're "
    "i've you've we've they've i'd you'd he'd she'd we'd they'd i'll you'll he'll she'll we'll they'll that's there's "
    "what's who's let's"
)
STOP_WORDS = frozenset(_LISTED.split())
"""Version 1."""

_WORD = re.compile(r"\W*?(\w+(?:['\u2019\-]\w+)*)")
_WHOLE = re.compile(r"\W*?\w+(?:['\u2019\-]\w+)*['\u2019\-]?[^\w'\u2019\-]", re.DOTALL)


def first_word(text: str) -> str:
    """The first word of a text, without what stands around it; empty where there is none."""
    found = _WORD.match(text)
    return found[1] if found else ""


def word_is_over(text: str) -> bool:
    """Whether the first word of a text cannot become longer."""
    return _WHOLE.match(text) is not None


def is_stop_word(word: str) -> bool:
    return word.lower().replace("\u2019", "'") in STOP_WORDS
