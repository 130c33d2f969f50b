"""Dumps: every article once, in any layout and language, however the file is cut into pieces."""

from __future__ import annotations

import bz2
import gzip
import random
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from webtext.corpus.errors import DamagedFile
from webtext.dedup import mediawiki_dump
from webtext.dedup.mediawiki_dump import DumpPiece, Page, cut_dump, is_dump, pages, spaces_of

HEAD = (
    '<mediawiki xml:lang="de"><siteinfo><namespaces><namespace key="-2" case="first-letter">Medium</namespace>'
    '<namespace key="0" case="first-letter" /><namespace key="1">Diskussion</namespace><namespace key="6">Datei'
    '</namespace><namespace key="14">Kategorie</namespace></namespaces></siteinfo>\n'
)


def page(title: str, text: str, space: int | None = 0, more: str = "") -> str:
    named = "" if space is None else f"<ns>{space}</ns>"
    return (
        f"  <page>\n    <title>{escape(title)}</title>\n    {named}\n    <id>1</id>{more}\n    <revision><id>2</id>"
        f'<text bytes="9" xml:space="preserve">{escape(text)}</text></revision>\n  </page>\n'
    )


def titles(path: Path) -> list[str]:
    return [found.title for piece in cut_dump(path) for found in pages(piece, spaces_of(path))]


def test_articles_are_read_and_all_else_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "dewiki-pages-articles.xml"
    path.write_text(
        HEAD
        + page("A & B", 'One "two" <ref>three</ref> &amp; é')
        + page("Old", "#REDIRECT [[A]]", more='<redirect title="A" />')
        + page("Diskussion:A", "Talk", 1)
        + page("Empty", "")
        + '<page><title>Gone</title><ns>0</ns><revision><text deleted="deleted" /></revision></page>'
        + page("C: D", "Colon")
        + "</mediawiki>"
    )
    spaces = spaces_of(path)
    assert spaces.hidden == {"medium", "datei", "kategorie"}
    assert list(pages(DumpPiece(path), spaces)) == [
        Page("A & B", 'One "two" <ref>three</ref> &amp; é'),
        Page("Empty", ""),
        Page("C: D", "Colon"),
    ]


def test_old_dumps_tell_the_namespace_by_the_title_only(tmp_path: Path) -> None:
    path = tmp_path / "old.xml"
    path.write_text(HEAD + page("Diskussion:A", "Talk", None) + page("C: D", "Text", None) + "</mediawiki>")
    assert titles(path) == ["C: D"]


def test_of_several_revisions_the_last_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.xml"
    text = page("A", "first").replace("</revision>", "</revision><revision><text>last</text></revision>")
    path.write_text(HEAD + text + "</mediawiki>")
    assert [found.wikitext for found in pages(DumpPiece(path), spaces_of(path))] == ["last"]


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2"])
def test_compressed_or_not(tmp_path: Path, ending: str) -> None:
    data = (HEAD + page("A", "x") + page("B", "y") + "</mediawiki>").encode()
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[ending]
    path = tmp_path / f"enwiki-latest-pages-articles.xml{ending}"
    path.write_bytes(pack(data))
    assert is_dump(path)
    assert titles(path) == ["A", "B"]


@pytest.mark.parametrize("seed", range(12))
def test_pieces_of_a_multistream_hold_every_page_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # Streams cut at any byte, as parallel compressors do; the real ones are cut between pages.
    choice = random.Random(seed)
    names = [f"Page {number}" for number in range(40)]
    data = (HEAD + "".join(page(name, "x" * choice.randrange(300)) for name in names) + "</mediawiki>").encode()
    places = sorted(choice.sample(range(1, len(data)), 25))
    if seed % 2:  # within tags
        places = sorted(
            {data.index(b"<page>", place - 1) % len(data) + 3 for place in places if b"<page>" in data[place:]}
        )
    streams = [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]
    path = tmp_path / "enwiki-pages-articles-multistream.xml.bz2"
    path.write_bytes(b"".join(map(bz2.compress, streams)))
    monkeypatch.setattr(mediawiki_dump, "PIECE_BYTES", choice.choice([100, 400, 1500]))
    monkeypatch.setattr(mediawiki_dump, "_READ", choice.choice([64, 1 << 20]))
    pieces = cut_dump(path)
    assert len(pieces) > 1
    assert pieces[-1].stop is None
    assert titles(path) == names


def test_a_dump_that_is_cut_off_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (HEAD + page("A", "x" * 5_000) + page("B", "y") + "</mediawiki>").encode()
    plain = tmp_path / "a.xml"
    plain.write_bytes(whole[:-30])
    with pytest.raises(DamagedFile, match=rf"a.xml: ends within a page: it is cut off at byte {len(whole) - 30:,}"):
        titles(plain)
    packed = tmp_path / "b.xml.bz2"
    packed.write_bytes(bz2.compress(whole)[:-20])
    size = f"{packed.stat().st_size:,}"
    with pytest.raises(DamagedFile, match=f"b.xml.bz2: is damaged or cut off near byte {size} "):
        titles(packed)
    monkeypatch.setattr(mediawiki_dump, "PIECE_BYTES", 40)
    many = tmp_path / "c.xml.bz2"
    many.write_bytes(b"".join(bz2.compress(whole[at : at + 999]) for at in range(0, len(whole), 999))[:-20])
    with pytest.raises(DamagedFile, match=f"c.xml.bz2: .* cut off near byte {many.stat().st_size:,}"):
        titles(many)


def test_what_is_no_dump_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<html>no dump</html>")
    with pytest.raises(DamagedFile, match="is no dump of a wiki's pages"):
        spaces_of(path)


def test_the_real_slice(data: Path) -> None:
    (path,) = (data / "wikipedia").iterdir()
    found = titles(path)
    assert (len(found), found[:3]) == (106, ["Anarchism", "Autism", "Albedo"])
