"""Extraction in a process that may be killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from webtext.corpus.errors import WebtextError
from webtext.corpus.outcomes import Outcome
from webtext.crawler.text import isolate
from webtext.crawler.text.examine import examine
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.language import is_audited
from webtext.crawler.text.messages import (
    Answer,
    Terms,
    decode_answer,
    decode_page_message,
    decode_terms,
    encode_answer,
    encode_page,
    encode_terms,
)
from webtext.crawler.text.results import Extracted, PageBytes, Rejection, TextRules
from webtext.crawler.text.rules import MOST_ELEMENTS, reject_markup

RULES = TextRules(languages=("en",), min_language_score=0.9, min_words=40)
ARTICLE = (
    "The keeper of the lighthouse climbed the two hundred steps every evening, in summer and in winter, to light the "
    "lamp before the ships came in. When the lamp was made electric he stayed on as a guide, and told the visitors "
    "about the storms that he had seen from up there in thirty years."
)


def html_page(body: bytes | str) -> PageBytes:
    return PageBytes("https://example.org/", "text/html", body if isinstance(body, bytes) else body.encode())


GOOD = html_page(f"<html><head><title>Light</title></head><body><article><p>{ARTICLE}</p></article></body></html>")
ATTRIBUTES = html_page(b"<html><body><p " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b">x</p></body></html>")
"""Takes more than 30 s of processor time, in one call of the parser's: only the kernel ends it."""

KILLERS = {
    "50 MB of <p>, cut to what is looked at": (
        html_page((b"<html><body>" + b"<p>" * 1_700_000)[:5_000_000]),
        Rejection(Outcome.EXTRACT_TIMEOUT, "1,666,665 elements: more than 200,000 take too long"),
    ),
    "200,000 table rows": (
        html_page(b"<html><body><table>" + b"<tr><td>cell</td></tr>" * 200_000 + b"</table></body></html>"),
        Rejection(Outcome.EXTRACT_TIMEOUT, "400,003 elements: more than 200,000 take too long"),
    ),
    "a million links": (
        html_page((b"<html><body>" + b"<a href=x>y</a>" * 1_000_000)[:5_000_000]),
        Rejection(Outcome.EXTRACT_TIMEOUT, "333,335 elements: more than 200,000 take too long"),
    ),
    "100,000 attributes on a tag": (
        ATTRIBUTES,
        Rejection(Outcome.EXTRACT_TIMEOUT, "more than 1.5 s of processor time"),
    ),
    "nesting 100,000 deep": (
        html_page(b"<html><body>" + b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000),
        Rejection(Outcome.EMPTY, "no main text"),
    ),
    "binary data as HTML": (
        html_page(random.Random(1).randbytes(300_000)),
        Rejection(Outcome.EMPTY, "binary data, no text (text/html)"),
    ),
    "markup that never ends": (
        html_page(b"<html><body>" + b"<" * 1_000_000),
        Rejection(Outcome.EMPTY, "no main text"),
    ),
    "nothing": (html_page(b""), Rejection(Outcome.EMPTY, "no main text")),
}


def test_every_known_killer_ends_as_an_outcome_and_the_pages_beside_it_are_untouched() -> None:
    expected = examine(GOOD, RULES)
    assert isinstance(expected, Extracted)
    with IsolatedExtractor(RULES, cpu_seconds=1.5) as extractor:
        for name, (page, ending) in KILLERS.items():
            assert extractor.examine(page) == ending, name
            assert extractor.examine(GOOD) == expected, name


@pytest.mark.slow
def test_a_page_that_waits_for_its_turn_ends_by_its_processor_time() -> None:
    """As on a machine so busy that the last resort is over several times before the processor time is."""
    with IsolatedExtractor(RULES, cpu_seconds=6, wall_seconds=2) as extractor:
        ending = Rejection(Outcome.EXTRACT_TIMEOUT, "more than 6 s of processor time")
        assert extractor.examine(ATTRIBUTES) == ending
        assert isinstance(extractor.examine(GOOD), Extracted)


def test_a_child_that_works_is_given_as_long_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor:
        child = extractor._running()
        os.kill(child.pid, signal.SIGSTOP)
        looks: list[int] = []

        def works_four_times(self: object) -> float:
            looks.append(1)
            return float(min(len(looks), 5))

        monkeypatch.setattr(isolate._Child, "_processor_seconds", works_four_times)
        with pytest.raises(isolate._Silent):
            child.ask(GOOD, 0.02)
        assert len(looks) == 6


def test_a_page_is_taken_apart_up_to_its_last_element() -> None:
    most = "<p>a</p>" * MOST_ELEMENTS
    assert reject_markup(most) is None
    assert reject_markup(most + "</p><!-- >-->a < b") is None
    assert reject_markup(most + "<B>") == Rejection(
        Outcome.EXTRACT_TIMEOUT, "200,001 elements: more than 200,000 take too long"
    )


def test_utf16_without_a_mark_is_a_document() -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor:
        result = extractor.examine(html_page(GOOD.body.decode().encode("utf-16-le")))
    assert isinstance(result, Extracted)
    assert result.text == ARTICLE


def test_one_child_serves_many_pages() -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor:
        assert extractor.pid is None  # nothing is started before it is needed
        pids = set()
        for _ in range(3):
            extractor.examine(GOOD)
            pids.add(extractor.pid)
    assert len(pids) == 1
    assert extractor.pid is None


def test_processor_time_is_counted_a_page_not_a_child() -> None:
    # Together these take more than the limit, each takes less.
    page = html_page("<html><body>" + f"<p>{ARTICLE}</p>" * 400 + "</body></html>")
    with IsolatedExtractor(RULES, cpu_seconds=1) as extractor:
        child = None
        used = 0.0
        while used < 2:
            assert not (isinstance(result := extractor.examine(page), Rejection)), result
            child = child or psutil.Process(extractor.pid)
            assert child.pid == extractor.pid
            times = child.cpu_times()
            used = times.user + times.system


def test_a_page_that_needs_too_much_memory_is_an_error_of_its_own() -> None:
    links = html_page(b"<html><body>" + b"<a href=x>y</a>" * 190_000)
    with IsolatedExtractor(RULES, cpu_seconds=20, memory_bytes=400 << 20) as extractor:
        assert extractor.examine(links) == Rejection(Outcome.EXTRACT_ERROR, "out of memory")
        assert isinstance(extractor.examine(GOOD), Extracted)


def signalling(monkeypatch: pytest.MonkeyPatch, extractor: IsolatedExtractor, numbers: list[int]) -> None:
    """Before each of the next pages is sent, send the child one of `numbers` (0: nothing)."""
    original: Callable[[PageBytes], bytes] = encode_page

    def encode(page: PageBytes) -> bytes:
        number = numbers.pop(0) if numbers else 0
        if number and extractor.pid is not None:
            os.kill(extractor.pid, number)
        return original(page)

    monkeypatch.setattr(isolate, "encode_page", encode)


def test_a_child_killed_from_outside_costs_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor:
        signalling(monkeypatch, extractor, [signal.SIGKILL])
        assert isinstance(extractor.examine(GOOD), Extracted)


def test_a_child_killed_while_it_waits_is_replaced() -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor:
        first = extractor.examine(GOOD)
        pid = extractor.pid
        assert pid is not None
        child = psutil.Process(pid)
        child.kill()
        assert extractor.examine(GOOD) == first
        assert extractor.pid != pid


def test_a_page_that_takes_two_children_down_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor:
        signalling(monkeypatch, extractor, [signal.SIGSEGV, signal.SIGSEGV])
        assert extractor.examine(GOOD) == Rejection(Outcome.EXTRACT_ERROR, "the extractor ended with SIGSEGV")
        assert isinstance(extractor.examine(GOOD), Extracted)


def test_a_child_that_does_not_answer_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with IsolatedExtractor(RULES, cpu_seconds=5, wall_seconds=60) as extractor:
        extractor.examine(GOOD)
        extractor._wall_seconds = 0.2
        signalling(monkeypatch, extractor, [signal.SIGSTOP])
        original = IsolatedExtractor._running

        def patient(self: IsolatedExtractor) -> object:
            if self._child is None:
                self._wall_seconds = 60
            return original(self)

        monkeypatch.setattr(IsolatedExtractor, "_running", patient)
        assert isinstance(extractor.examine(GOOD), Extracted)


def test_a_page_that_is_never_answered_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate._Child, "wait_ready", lambda self, seconds: None)
    with IsolatedExtractor(RULES, cpu_seconds=5, wall_seconds=0.2) as extractor:
        signalling(monkeypatch, extractor, [signal.SIGSTOP, signal.SIGSTOP])
        assert extractor.examine(GOOD) == Rejection(Outcome.EXTRACT_TIMEOUT, "no answer within 0.2 s")


def test_an_extractor_that_cannot_start_is_an_error_not_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with IsolatedExtractor(RULES, cpu_seconds=5) as extractor, pytest.raises(WebtextError, match="cannot be started"):
        extractor.examine(GOOD)


def test_a_language_detector_that_decides_wrongly_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Stands before the real one in the child's path: knows only English, and is never sure.
    (tmp_path / "langdetect_rs.py").write_text(FAKE_PORT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    number = next(number for number in range(9_000) if is_audited(f"{ARTICLE} {number}"))
    page = html_page(f"<html><body><article><p>{ARTICLE} {number}</p></article></body></html>")
    with (
        IsolatedExtractor(RULES, cpu_seconds=5) as extractor,
        pytest.raises(WebtextError, match="not exact here") as found,
    ):
        extractor.examine(page)
    assert found.value.hint is not None
    assert "pip uninstall langdetect-rs" in found.value.hint


FAKE_PORT = """
class LangDetectException(Exception):
    pass
class Language:
    lang, prob = "en", 0.95
class Detector:
    def append(self, text):
        pass
    def get_probabilities(self):
        return [Language]
class DetectorFactory:
    def set_seed(self, seed):
        pass
    def load_json_profile(self, profiles):
        pass
    def create(self):
        return Detector()
"""


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "trafilatura.py").write_text("raise ModuleNotFoundError('No module named trafilatura')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        IsolatedExtractor(RULES, cpu_seconds=5) as extractor,
        pytest.raises(WebtextError, match="trafilatura") as found,
    ):
        extractor.examine(GOOD)
    assert found.value.hint == "pip install 'webtext[crawl]'"


def test_close_leaves_no_process() -> None:
    extractor = IsolatedExtractor(RULES, cpu_seconds=5)
    extractor.examine(GOOD)
    pid = extractor.pid
    assert pid is not None
    extractor.close()
    assert not psutil.pid_exists(pid)
    extractor.close()  # twice is fine


def test_the_child_outlives_the_thread_that_asked_for_it() -> None:
    extractor = IsolatedExtractor(RULES, cpu_seconds=5)
    thread = threading.Thread(target=extractor.examine, args=(GOOD,))
    thread.start()
    thread.join()
    pid = extractor.pid
    extractor.examine(GOOD)
    assert extractor.pid == pid
    extractor.close()


PARENT = """
import sys
from webtext.crawler.text.isolate import IsolatedExtractor
from webtext.crawler.text.language import is_audited
from webtext.crawler.text.results import PageBytes, TextRules
extractor = IsolatedExtractor(TextRules(("en",), 0.9, 40), 60)
extractor.examine(PageBytes("http://a/", "text/plain", b"hello"))
print(extractor.pid, flush=True)
if sys.argv[1] == "busy":
    attributes = b" ".join(b"a%d=1" % number for number in range(100_000))
    extractor.examine(PageBytes("http://a/", "text/html", b"<p " + attributes + b">"))
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_child_ends_with_a_parent_that_is_killed(state: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    parent.stdin.close()
    assert psutil.wait_procs([child], timeout=60)[1] == []


def test_messages_are_read_as_they_were_written() -> None:
    import io

    def through(data: bytes) -> Callable[[int], bytes]:
        return io.BytesIO(data).read

    page = PageBytes("https://example.org/ä", 'text/html; charset="ü"', bytes(range(256)) * 5)
    assert decode_page_message(through(encode_page(page))) == page
    for result in (
        Extracted("T", None, "text\n\n\U0001f600", "en", 0.1 + 0.2, 3, {"hashes": 0.1 + 0.2}),
        Extracted("", "https://a/", "", "unknown", 0.0, 0, {}),
        Rejection(Outcome.TOO_SHORT, "3 words"),
    ):
        for answer in (Answer(result), Answer(result, worn=True), Answer(result, trouble="they differ")):
            assert decode_answer(through(encode_answer(answer))) == answer
    terms = Terms(RULES, 2.5, 1 << 30, 77)
    assert decode_terms(encode_terms(terms)) == terms
