"""Record `webtext demo` as a moving picture for the README: an SVG that needs no script and stands still in print.

usage: record_demo.py OUTPUT.svg [COMMAND...]

Runs the command (`webtext demo`) in a new folder, on a terminal of 80 columns, reads what it draws, and writes each
line with the time at which it was to be seen. Waiting is shortened. No more of a terminal is understood than rich and
plain programs use; what is not understood is an error, never garbage in the picture.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

COLUMNS, ROWS = 80, 30
LONGEST, FASTER = 0.8, 6.0
"""Seconds of the recording that a pause lasts at most, and how much faster than life the rest is."""
FRAME = 0.12
"""Seconds of the picture between two versions of a line that changes."""
STILL = 8.0
"""Seconds that the end stays."""
WIDTH, HEIGHT, MARGIN, BAR = 8.4, 18, 14, 30
"""Pixels of a character, of a line, around the text, and of the title's bar."""

_TOKEN = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|([^\x00-\x1f\x7f]+)")
_BASIC = ("#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4")

Style = tuple[str, bool]
"""Colour ("" is the default) and whether it is bold."""
Line = tuple[tuple[int, str, Style], ...]
"""Runs of one style: column, text, style."""


@dataclass
class Screen:
    """All lines that a program has drawn, those that have left the screen as well."""

    lines: list[list[tuple[str, Style]]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: Style = ("", False)
    _rest: str = ""

    def feed(self, text: str) -> None:
        """Draw.

        Raises:
            ValueError: a control sequence that is not known here.
        """
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                if re.fullmatch(r"\x1b(\[[?0-9;]*)?", text[at:]):
                    self._rest = text[at:]  # the other half comes with the next piece
                    return
                raise ValueError(f"not understood: {text[at : at + 20]!r}")
            at = found.end()
            if found[3]:
                for character in found[3]:
                    self._put(character)
            elif found[0] == "\r":
                self.column = 0
            elif found[0] == "\n":
                self._down()
            else:
                self._control(found[1], found[2])

    def _put(self, character: str) -> None:
        if self.column == COLUMNS:
            self.column = 0
            self._down()
        line = self.lines[self.row]
        line += [(" ", ("", False))] * (self.column + 1 - len(line))
        line[self.column] = (character, self.style)
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def _control(self, numbers: str, letter: str) -> None:
        match letter:
            case "A":
                self.row = max(0, self.row - int(numbers or 1))
            case "K":
                line = self.lines[self.row]
                del line[0 if numbers == "2" else self.column :]
            case "m":
                self._colour([int(number or 0) for number in numbers.split(";")])
            case "h" | "l" if numbers.startswith("?"):
                pass  # the cursor is shown or hidden
            case _:
                raise ValueError(f"not understood: ESC[{numbers}{letter}")

    def _colour(self, codes: list[int]) -> None:
        colour, bold = self.style
        while codes:
            code = codes.pop(0)
            if code == 0:
                colour, bold = "", False
            elif code in (1, 22):
                bold = code == 1
            elif code == 39:
                colour = ""
            elif 30 <= code <= 37 or 90 <= code <= 97:
                colour = _BASIC[code % 10]
            elif code == 38 and codes[0] == 5:
                colour = _of_256(codes[1])
                del codes[:2]
            elif code == 38 and codes[0] == 2:
                colour = "#{:02x}{:02x}{:02x}".format(*codes[1:4])
                del codes[:4]
        self.style = (colour, bold)

    def runs(self, row: int) -> Line:
        """A line as runs of one style, blanks at its end left out."""
        line = self.lines[row]
        text = "".join(character for character, _ in line).rstrip()
        found: list[tuple[int, str, Style]] = []
        for column, (character, style) in enumerate(line[: len(text)]):
            if found and found[-1][2] == style:
                found[-1] = (found[-1][0], found[-1][1] + character, style)
            else:
                found.append((column, character, style))
        return tuple(found)


def _of_256(number: int) -> str:
    if number < 16:
        return _BASIC[number % 8]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return f"#{levels[number // 36]:02x}{levels[number // 6 % 6]:02x}{levels[number % 6]:02x}"


@dataclass(frozen=True)
class Version:
    """What a line showed, from one second of the picture to another."""

    row: int
    start: float
    end: float
    line: Line


def versions(pieces: Iterable[tuple[float, str]]) -> tuple[list[Version], list[tuple[float, int]]]:
    """What was to be seen when, and from when on how many lines there were.

    Args:
        pieces: seconds since the start, and what was drawn then.
    """
    screen, now, before = Screen(), 0.0, 0.0
    shown: dict[int, tuple[float, Line]] = {}
    found: list[Version] = []
    heights: list[tuple[float, int]] = []
    drawn = -FRAME
    pieces = [*pieces]
    for number, (at, text) in enumerate(pieces):
        now += min(at - before, LONGEST) / FASTER
        before = at
        screen.feed(text)
        if now - drawn < FRAME and number < len(pieces) - 1:
            continue
        drawn = now
        for row in range(len(screen.lines)):
            line = screen.runs(row)
            start, old = shown.get(row, (0.0, ()))
            if line != old:
                if old:
                    found.append(Version(row, start, now, old))
                shown[row] = (now, line)
        height = max((row + 1 for row, (_, line) in shown.items() if line), default=0)
        if not heights or heights[-1][1] != height:
            heights.append((now, height))
    end = now + STILL
    found += [Version(row, start, end, line) for row, (start, line) in shown.items() if line]
    return sorted(found, key=lambda version: (version.row, version.start)), heights


def picture(pieces: Iterable[tuple[float, str]], title: str) -> str:
    """The SVG. Where animation is off (print, `prefers-reduced-motion`), it shows the end."""
    drawn, heights = versions(pieces)
    end = max(version.end for version in drawn)
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN + BAR
    scrolls = [(at, -HEIGHT * max(0, lines - ROWS)) for at, lines in heights]
    steps = "".join(f"{100 * at / end:.2f}%{{transform:translateY({y}px)}}" for at, y in scrolls)
    rules, texts = [f"@keyframes s{{{steps}}}"], []
    for number, version in enumerate(drawn):
        start, stop = 100 * version.start / end, 100 * version.end / end
        gone = "" if version.end == end else f"{stop:.2f}%{{opacity:0}}"
        rules.append(f"@keyframes v{number}{{0%{{opacity:0}}{start:.2f}%{{opacity:1}}{gone}}}")
        still = "" if version.end == end else "opacity:0;"
        runs = "".join(_run(*run) for run in version.line)
        y = version.row * HEIGHT
        texts.append(f'<text y="{y}" style="{still}animation-name:v{number}">{runs}</text>')
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 18 * place}" cy="{BAR / 2}" r="5.5" fill="{colour}"/>'
        for place, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    size = f'width="{width:g}" height="{height}"'
    label = f'x="50%" y="{BAR / 2 + 5}" text-anchor="middle" style="fill:#8b949e;animation:none"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" {size}>\n'
        f"<title>{escape(title)}</title>\n<style>\n"
        f"text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;"
        f"animation:{end:.2f}s step-end infinite}}\n"
        f".s{{animation:s {end:.2f}s step-end infinite;transform:translateY({scrolls[-1][1]}px)}}\n"
        f".b{{font-weight:bold;fill:#ffffff}}\n"
        f"@media (prefers-reduced-motion:reduce){{text,.s{{animation:none!important}}}}\n"
        + "\n".join(rules)
        + f'\n</style>\n<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n{dots}\n'
        f"<text {label}>{escape(title)}</text>\n"
        f'<svg x="{MARGIN}" y="{MARGIN + BAR}" width="{COLUMNS * WIDTH:g}" height="{ROWS * HEIGHT}"><g class="s">'
        f'<g transform="translate(0 {HEIGHT - 5})">\n' + "\n".join(texts) + "\n</g></g></svg>\n</svg>\n"
    )


def _run(column: int, text: str, style: Style) -> str:
    colour, bold = style
    column += len(text) - len(text.lstrip())
    text = text.lstrip()
    if not text:
        return ""
    look = (' class="b"' if bold else "") + (f' style="fill:{colour}"' if colour else "")
    shown = escape(text).replace(" ", "\u00a0")  # no renderer draws several blanks together
    length = f'textLength="{len(text) * WIDTH:.1f}"' if len(text) > 1 else ""
    return f'<tspan x="{column * WIDTH:.1f}" {length}{look}>{shown}</tspan>'


def record(command: list[str], folder: Path) -> Iterator[tuple[float, str]]:
    """Run a command on a terminal; what it draws, with the seconds since its start.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": str(ROWS)}
    for name in ("NO_COLOR", "COLORTERM", "COLUMNS", "WEBTEXT_FAULT"):
        environment.pop(name, None)
    yield 0.0, "$ \x1b[1mwebtext demo\x1b[0m\r\n"
    started = time.monotonic()
    with subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=environment) as running:
        os.close(slave)
        pending = b""
        while True:
            try:
                data = os.read(master, 1 << 16)
            except OSError:  # the terminal's other end is closed
                break
            if not data:
                break
            pending += data
            whole = pending.decode(errors="ignore")
            pending = pending[len(whole.encode()) :]
            yield time.monotonic() - started, whole
    os.close(master)
    if running.returncode != 0:
        raise subprocess.CalledProcessError(running.returncode, command)


def main() -> None:
    """Record and write."""
    output = Path(sys.argv[1])
    command = sys.argv[2:] or [sys.executable, "-m", "webtext.cli", "demo"]
    with tempfile.TemporaryDirectory(prefix="record-demo-") as folder:
        pieces = list(record(command, Path(folder)))
    output.write_text(picture(pieces, "webtext demo"), encoding="utf-8")
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
