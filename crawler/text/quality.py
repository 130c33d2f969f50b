"""Which documents are worth reading: the rules of published corpora, each by name, over measures of the text.

A rule compares one measure with one value of the settings; a preset is a set of rules. Pure functions over numbers:
a rule may be changed, and the documents judged again, without the pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webtext.corpus.settings import ExtractSettings

LEAST, ABOVE, MOST, BELOW = "at least", "more than", "at most", "less than"


@dataclass(frozen=True)
class QualityRule:
    """`name` is the setting that holds its value; a document stays where `measure` is `bound` that value."""

    name: str
    measure: str
    bound: str

    def holds(self, found: float, value: float) -> bool:
        """Whether a measure of `found` passes at `value`."""
        if self.bound == LEAST:
            return found >= value
        if self.bound == ABOVE:
            return found > value
        return found <= value if self.bound == MOST else found < value


# Gokaslan and Cohen 2019, openwebtext: documents with fewer than 128 tokens were removed.
OPENWEBTEXT = (QualityRule("openwebtext_min_tokens", "tokens", LEAST),)

# Raffel et al. 2020, section 2.2. Its list of bad words is not here (it belongs to others, and drops much that is
# harmless); its lines are not cut out of the text, but only sentences of lines that it would keep are counted.
C4 = (
    QualityRule("c4_min_sentences", "c4_sentences", LEAST),
    QualityRule("c4_max_curly_brackets", "curly_brackets", MOST),
    QualityRule("c4_max_lorem_ipsum", "lorem_ipsum", MOST),
)

# Rae et al. 2021, appendix A1.1: quality, and repetition (table A1).
GOPHER = (
    QualityRule("gopher_min_words", "words", LEAST),
    QualityRule("gopher_max_words", "words", MOST),
    QualityRule("gopher_min_mean_word", "mean_word_length", LEAST),
    QualityRule("gopher_max_mean_word", "mean_word_length", MOST),
    QualityRule("gopher_max_hashes", "hashes", MOST),
    QualityRule("gopher_max_ellipses", "ellipses", MOST),
    QualityRule("gopher_max_bullet_lines", "bullet_lines", MOST),
    QualityRule("gopher_max_ellipsis_lines", "ellipsis_lines", MOST),
    QualityRule("gopher_min_alphabetic_words", "alphabetic_words", LEAST),
    QualityRule("gopher_min_stop_words", "stop_words", LEAST),
    QualityRule("gopher_max_duplicate_lines", "duplicate_lines", MOST),
    QualityRule("gopher_max_duplicate_paragraphs", "duplicate_paragraphs", MOST),
    QualityRule("gopher_max_duplicate_line_characters", "duplicate_line_characters", MOST),
    QualityRule("gopher_max_duplicate_paragraph_characters", "duplicate_paragraph_characters", MOST),
    *(QualityRule(f"gopher_max_top_{n}grams", f"top_{n}grams", MOST) for n in (2, 3, 4)),
    *(QualityRule(f"gopher_max_duplicate_{n}grams", f"duplicate_{n}grams", MOST) for n in range(5, 11)),
)

# Penedo et al. 2024: Gopher's rules, C4's but for terminal punctuation, and three of its own (section 3.6).
FINEWEB = (
    QualityRule("fineweb_min_sentences", "sentences", LEAST),
    QualityRule("fineweb_min_punctuated_lines", "punctuated_lines", ABOVE),
    QualityRule("fineweb_max_short_lines", "short_lines", BELOW),
    QualityRule("fineweb_max_duplicate_line_characters", "duplicate_line_characters", BELOW),
)

PRESETS: Mapping[str, tuple[QualityRule, ...]] = {
    "webtext": (),  # Radford et al. 2019 name no rule of this kind
    "openwebtext": OPENWEBTEXT,
    "c4": C4,
    "gopher": GOPHER,
    "fineweb": (*GOPHER, *C4[1:], *FINEWEB),
}

ALL_RULES = (*OPENWEBTEXT, *C4, *GOPHER, *FINEWEB)

QUALITY_SETTINGS = frozenset(("quality", *(rule.name for rule in ALL_RULES)))
"""Settings that decide only which extracted documents stay."""


QUALITY_RULES = "quality_rules"
"""The fact in the stage's manifest that says how many documents each rule dropped."""


@dataclass(frozen=True)
class ActiveRule:
    """A rule with the value it has in a corpus."""

    rule: QualityRule
    value: float


def active_rules(settings: ExtractSettings) -> tuple[ActiveRule, ...]:
    """The rules of all presets that the settings name, each once, in the order of `ALL_RULES`."""
    wanted = {rule.name for preset in settings.quality for rule in PRESETS[preset]}
    return tuple(ActiveRule(rule, float(getattr(settings, rule.name))) for rule in ALL_RULES if rule.name in wanted)


def failed_rules(measures: Mapping[str, float], rules: Sequence[ActiveRule]) -> list[str]:
    """The rules that a document does not pass, each in words; the first is the one that it is counted under.

    Args:
        measures: those of `webtext.crawler.text.measures`, and `words`.
    """
    return [
        f"{active.rule.name}: {measures[active.rule.measure]:.4g}, {active.rule.bound} {active.value:g} is needed"
        for active in rules
        if not active.rule.holds(measures[active.rule.measure], active.value)
    ]


def rule_of(detail: str) -> str:
    """The rule that an outcome `quality` is counted under, from its detail."""
    return detail.partition(":")[0]
