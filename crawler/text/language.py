"""Which language a text is in: langdetect, made deterministic, on a bounded sample.

langdetect draws n-grams at random and reads its profiles in the order of the file system: here it has a seed and sorted
profiles, so a text has the same language and score in any process, after any other text.

langdetect_rs, where it is installed, stands in for it: a port that takes the same random walk with the same floats (no
difference in 6,909 samples: labels and all bits of the scores), 50 times as fast. It is trusted and audited: one text
in `AUDITED_OF` is given to langdetect, too, and a difference stops the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import xxhash
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

SEED = 0

# langdetect takes 13 ms for 10,000 characters, 9 for 4,000. Four windows see a text whose first screen is in another
# language. On 337 texts in 58 languages the decision "English" differed from that on the first 10,000 characters for
# two, both Irish, which langdetect does not know.
WINDOWS = 4
WINDOW_CHARACTERS = 1_000

UNKNOWN = "unknown"

AUDITED_OF = 256
"""One text in so many, chosen by its hash, is given to both; langdetect's 5 ms then cost .02 ms a text. So is the first
document of each part, that no run goes without."""

Found = list[tuple[str, float]]


class LanguageDisagreement(Exception):
    """The fast port and langdetect differ: no decision of the port can be trusted."""


# Those of langdetect's 55 languages that are written in the Latin script.
LATIN_LANGUAGES = frozenset((
    "af", "ca", "cs", "cy", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "id", "it", "lt",
    "lv", "nl", "no", "pl", "pt", "ro", "sk", "sl", "so", "sq", "sv", "sw", "tl", "tr", "vi",
))  # fmt: skip

_PROFILE = re.compile(r"[a-z]{2}(-[a-z]{2})?")

_ASCII_LETTERS = re.compile("[A-Za-z]+")
_BEYOND = re.compile("[\u0250-\U0010ffff]")
_LETTER = re.compile(r"[^\W\d_]")
# Latin Extended Additional, -C, -D, -E and fullwidth; all letters up to U+024F are Latin, too (Unicode 16.0).
_LATIN_BEYOND = re.compile("[\u1e00-\u1eff\u2c60-\u2c7f\ua722-\ua7ff\uab30-\uab6f\uff21-\uff5a]")


def detect_language(text: str, *, audit: bool = False) -> tuple[str, float]:
    """The language (as langdetect names it: ISO 639-1, zh-cn, zh-tw) and its probability.

    ("unknown", 0.0) where a text has no letters to tell by. A text with more than half of its letters outside the
    Latin script is never in a language of that script (331 of 331 such texts were not English).

    Args:
        audit: ask both detectors, also where the text's hash does not.

    Raises:
        LanguageDisagreement: the text was audited, and the port gave another answer than langdetect.
    """
    sample = sample_text(text)
    port = _port()
    found = (port or probabilities)(sample)
    if port is not None and (audit or is_audited(sample)) and (expected := probabilities(sample)) != found:
        raise LanguageDisagreement(f"{expected} by langdetect, {found} by langdetect_rs, for {sample[:200]!r}")
    if mostly_other_scripts(sample):
        found = [(code, score) for code, score in found if code not in LATIN_LANGUAGES]
    return found[0] if found else (UNKNOWN, 0.0)


def is_audited(sample: str) -> bool:
    """Whether this text is one of those that both are asked about: by its hash, so always the same."""
    return bool(xxhash.xxh3_64_intdigest(sample.encode("utf-8", "surrogatepass")) % AUDITED_OF == 0)


def audits() -> bool:
    """Whether there is anything to audit: a port is installed."""
    return _port() is not None


def probabilities(sample: str) -> Found:
    """What langdetect itself says: languages with their probabilities, the likeliest first; none without letters."""
    return _probabilities(_factory(), LangDetectException, sample)


def _probabilities(factory: Any, no_features: type[Exception], sample: str) -> Found:
    detector = factory.create()
    detector.append(sample)
    try:
        return [(str(language.lang), float(language.prob)) for language in detector.get_probabilities()]
    except no_features:  # "No features in text"
        return []


def sample_text(text: str) -> str:
    """The whole of a short text; of a long one windows spread evenly from its start to its end."""
    if len(text) <= WINDOWS * WINDOW_CHARACTERS:
        return text
    last = len(text) - WINDOW_CHARACTERS
    starts = [last * number // (WINDOWS - 1) for number in range(WINDOWS)]
    return "\n".join(text[start : start + WINDOW_CHARACTERS] for start in starts)


def mostly_other_scripts(text: str) -> bool:
    """Whether more than half of the letters are not Latin."""
    if text.isascii():
        return False
    beyond = len(_BEYOND.findall(text))  # letters of other scripts are among these, and few texts have many
    if 2 * beyond <= sum(map(len, _ASCII_LETTERS.findall(text))):
        return False
    letters = _LETTER.findall(text)
    others = [letter for letter in letters if letter > "\u024f" and not _LATIN_BEYOND.match(letter)]
    return 2 * len(others) > len(letters)


def warm_up() -> None:
    """Load the profiles now (0.5 s), so that no page pays for it."""
    _factory()
    _port()


@cache
def _factory() -> DetectorFactory:
    """The profiles, once a process; constant from then on."""
    factory = DetectorFactory()
    factory.set_seed(SEED)
    factory.load_json_profile(_profiles())
    return factory


@cache
def _port() -> Callable[[str], Found] | None:
    """`probabilities` by langdetect_rs, None where that is not installed."""
    try:
        import langdetect_rs
    except ImportError:  # no wheel for this machine: langdetect gives the same, more slowly
        return None
    factory = langdetect_rs.DetectorFactory()
    factory.set_seed(SEED)
    factory.load_json_profile(_profiles())
    return lambda sample: _probabilities(factory, langdetect_rs.LangDetectException, sample)


def _profiles() -> list[str]:
    """langdetect's own profiles, by name: their order decides the last bits of a score."""
    profiles = (files("langdetect") / "profiles").iterdir()
    names = {entry.name: entry for entry in profiles if entry.is_file() and _PROFILE.fullmatch(entry.name)}
    return [names[name].read_text(encoding="utf-8") for name in sorted(names)]
