"""The wheel does the main job away from its source: in an environment of its own, from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from small_web import SmallWeb

ROOT = Path(__file__).parents[2]


def run(*command: object, cwd: Path) -> str:
    """A command with nothing of this checkout in its environment."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_installed_wheel_builds_trains_and_generates_from_an_empty_folder(
    small_web: SmallWeb, tmp_path: Path
) -> None:
    source = shutil.copytree(
        ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "tests", "webtext-demo")
    )
    run(sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation", "--outdir", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.rmtree(source)
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The libraries of this environment, without its own editable webtext: a .pth inside a .pth is not read.
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("".join(f"{path}\n" for path in libraries))
    empty = tmp_path / "empty"
    empty.mkdir()
    code = "import webtext.api, webtext.demo.run, webtext.train.trainer; print(webtext.api.__file__)"
    assert Path(run(python, "-c", code, cwd=empty).strip()) == site / "webtext" / "api.py"
    webtext = (python, "-P", "-c", "from webtext.cli import main; main()")
    replay = ("--replay", small_web.warc, "--vocab-size", 500, "--workers", 1)
    run(*webtext, "build", "corpus", small_web.dump, *replay, cwd=empty)
    run(*webtext, "train", "corpus", "--preset", "tiny", "--steps", 2, cwd=empty)
    assert run(*webtext, "generate", "corpus", "--prompt", "The", "--max-tokens", 5, cwd=empty).startswith("The")
    assert [path.name for path in empty.iterdir()] == ["corpus"]
