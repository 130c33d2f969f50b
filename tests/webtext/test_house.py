"""The house itself: who may import whom, what a wheel holds, that types are followed across rooms."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The "may import" column of docs/architecture.md.
MAY_IMPORT = {
    "corpus": set(),
    "dedup": {"corpus"},
    "tokenize": {"corpus"},
    "crawler": {"corpus"},
    "train": {"corpus", "tokenize"},
    "pipelines": {"corpus", "dedup", "tokenize", "crawler"},
    "demo": {"corpus", "dedup", "tokenize", "crawler", "train", "pipelines"},
    "webtext": {"corpus", "dedup", "tokenize", "crawler", "train", "pipelines", "demo"},
}


def modules(room: str) -> Iterator[Path]:
    yield from sorted((ROOT / room).rglob("*.py"))


def imported(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Full names of the modules a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_arrow_runs_back_up(room: str) -> None:
    assert list(modules(room))
    for path in modules(room):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "webtext" and len(parts) > 1 and parts[1] in MAY_IMPORT and parts[1] != room:
                assert parts[1] in MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {name}"


def test_rooms_are_imported_by_their_full_name() -> None:
    for room in MAY_IMPORT:
        for path in modules(room):
            for name in imported(path):
                assert name.split(".")[0] not in set(MAY_IMPORT) - {"tokenize", "webtext"}, path
                assert name != "tokenize", f"{path}: webtext.tokenize, or the standard library's?"


def test_tokenize_and_webtext_are_no_regular_packages() -> None:
    assert not (ROOT / "tokenize" / "__init__.py").exists()
    assert not (ROOT / "webtext" / "__init__.py").exists()
    # From the root, the standard library's tokenize must still be found.
    code = "import tokenize, inspect; print(tokenize.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "site-packages" not in found
    assert Path(found.strip()) == Path(ast.__file__).with_name("tokenize.py")


@pytest.mark.parametrize("front_door", ["webtext.cli", "webtext.api"])
def test_a_front_door_loads_no_heavy_library(front_door: str) -> None:
    heavy = "apache_beam, scrapy, torch, trafilatura, twisted, langdetect, transformers, tokenizers, datasketch"
    code = f"import sys, {front_door}; print([name for name in '{heavy}'.split(', ') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["--version"], ["links"], ["no-such-command"]])
def test_a_quick_answer_loads_no_library_that_takes_longer_than_the_answer(arguments: list[str]) -> None:
    code = (
        f"import sys\nfrom webtext import cli\nsys.argv = {['webtext', *arguments]}\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "print([name for name in ('pyarrow', 'numpy', 'rich', 'tomlkit', 'psutil', 'asyncio') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git checkout here: the tracked files are not known")
    return listed.stdout.splitlines()


def test_the_wheel_holds_every_tracked_module_and_nothing_else(tmp_path: Path) -> None:
    expected = {
        name if name.startswith("webtext/") else f"webtext/{name}"
        for name in tracked()
        if name.split("/")[0] in MAY_IMPORT and (ROOT / name).exists()
    }
    # Built from a copy: a build leaves its own folders in the source tree.
    source = tmp_path / "source"
    for name in tracked():
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    code = "import webtext.corpus.stages, webtext.api, webtext.tokenize.split; print(webtext.api.__file__)"
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    # -S would hide the libraries; -P keeps the working directory out.
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(site / "webtext" / "api.py")


def test_a_type_error_across_rooms_is_found(tmp_path: Path) -> None:
    links = tmp_path / "webtext"
    links.mkdir()
    (links / "corpus").symlink_to(ROOT / "corpus")
    wrong = links / "wrong.py"
    wrong.write_text(
        '"""Planted."""\nfrom webtext.corpus.schemas import key_text\n\nTEXT: str = key_text("not a number")\n'
    )
    command = [
        sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "-p", "webtext",
        "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"),
    ]  # fmt: skip
    environment = {**os.environ, "MYPYPATH": str(tmp_path)}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert 'wrong.py:4: error: Argument 1 to "key_text" has incompatible type "str"; expected "int"' in found.stdout


def test_nothing_tracked_names_a_machine_or_is_large() -> None:
    for name in tracked():
        path = ROOT / name
        if path.is_file():
            assert path.stat().st_size <= 1 << 20, name
