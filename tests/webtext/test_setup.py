"""tools/setup.sh on machines that lack something: one line says what, and pip is left as it is configured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "tools" / "setup.sh"

# A Python that can do all that setup.sh asks of it, and whose pip writes down what it is asked and does as it is told.
PYTHON = """#!/bin/sh
case "$*" in
"-m venv --clear "*)
	mkdir -p "$4/bin" && : >"$4/pyvenv.cfg" && cp "$0" "$4/bin/python" && cp "$0" "$4/bin/webtext" ;;
"-m pip config list") cat "{folder}/config" ;;
"-m pip install "*)
	echo "$*" >>"{folder}/asked"
	if echo "$*" | grep -qF -f "{folder}/failing"; then cat "{folder}/says"; exit 1; fi ;;
"-m pip --version") ;;
"-c import torch") exit 1 ;;
"-V") echo "Python 3.11.7" ;;
"--version") echo "webtext 0.1.0" ;;
*) exec "{python}" "$@" ;;
esac
"""


@dataclass
class Machine:
    """A folder with a Python of its own, and what its pip is to do."""

    folder: Path
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ})

    def __post_init__(self) -> None:
        self.python = self.script("python", PYTHON.format(folder=self.folder, python=sys.executable))
        for name in ("config", "failing", "says", "asked"):
            (self.folder / name).write_text("")

    def script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def fails_at(self, *arguments: str, says: str = "") -> None:
        (self.folder / "failing").write_text("".join(f"{argument}\n" for argument in arguments))
        (self.folder / "says").write_text(says)

    def setup(self, python: object = None) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(SETUP), str(python or self.python), ".venv"]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_one_line(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("setup: ")
    assert says in line


def test_a_machine_without_python(machine: Machine) -> None:
    assert_one_line(machine.setup("python-of-nowhere"), "there is no python-of-nowhere here; install Python 3.11")


def test_an_old_python(machine: Machine) -> None:
    pretends = f'exec "{sys.executable}" -c "import sys; sys.version_info = (3, 10, 13); exec(sys.argv.pop(1))" "$2"'
    old = machine.script("old", f"#!/bin/sh\n{pretends}\n")
    tools = machine.folder / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to(str(shutil.which("sh")))
    machine.environment["PATH"] = str(tools)  # where no other Python is
    assert_one_line(machine.setup(old), "this is Python 3.10; webtext needs 3.11 or newer (make PYTHON=… names")
    (tools / "python3.12").symlink_to(machine.script("newer", f'#!{tools}/sh\nexec "{sys.executable}" "$@"\n'))
    assert_one_line(machine.setup(old), "webtext needs 3.11 or newer, and you have one: make PYTHON=python3.12")


def test_a_python_that_does_not_run(machine: Machine) -> None:
    assert_one_line(machine.setup(machine.script("broken", "#!/bin/sh\nexit 127\n")), "broken does not run")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv(machine: Machine, module: str) -> None:
    # As Debian has it: the module is not there, everything else is.
    hides = f"import sys; sys.modules['{module}'] = None; exec(sys.argv.pop(1))"
    bare = machine.script("bare", f'#!/bin/sh\nexec "{sys.executable}" -c "{hides}" "$2"\n')
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert_one_line(machine.setup(bare), f"no venv; install it (Debian, Ubuntu: apt install python{version}-venv)")


@pytest.mark.parametrize("small", ["here", "tmp"])
def test_a_disk_without_room(machine: Machine, tmp_path: Path, small: str) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system (unshare -rm)")
    disk = tmp_path / "small"
    disk.mkdir()
    folder = disk if small == "here" else tmp_path
    script = f"mount -t tmpfs -o size=1m tmpfs {disk} && cd {folder} && exec sh {SETUP} {machine.python} .venv"
    if small == "tmp":
        machine.environment["TMPDIR"] = str(disk)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], env=machine.environment, capture_output=True, text=True, check=False
    )
    told = f"0 GB free in {disk}; " + ("the environment takes" if small == "here" else "pip needs 1 GB to unpack")
    assert_one_line(done, told)
    assert machine.asked == []


def test_a_folder_that_is_none_of_ours_is_left_alone(machine: Machine) -> None:
    (machine.folder / ".venv").mkdir()
    (machine.folder / ".venv" / "thesis.txt").write_text("mine")
    done = machine.setup()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "setup: .venv is no virtual environment; move it away"
    assert (machine.folder / ".venv" / "thesis.txt").read_text() == "mine"


def test_it_says_what_it_does_and_keeps_what_pip_says_to_itself(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["making", "PyTorch", "webtext", ".venv"]
    assert all(len(line) <= 80 for line in done.stderr.splitlines())
    assert done.stdout == ""
    assert "pip>=24" in machine.asked[0]  # older ones skip an extra of trafilatura's


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full (pip unpacks in "),
        ("WARNING: Retrying (Retry(total=4 ...", "pip cannot reach its package index"),
        ("ERROR: Could not find a version that ... (from versions: none)", "pip cannot reach its package index"),
        ("SSLError: CERTIFICATE_VERIFY_FAILED", "pip cannot reach its package index"),
        ("error: something else", "pip could not install webtext; all it said is in .venv/setup.log"),
    ],
)
def test_what_pip_fails_at_is_told_in_one_line(machine: Machine, says: str, told: str) -> None:
    machine.fails_at("pip>=24", says=f"{says}\n")
    done = machine.setup()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2] == says
    assert done.stderr.splitlines()[-1].startswith(f"setup: {told}")


def test_a_machine_without_a_compiler(machine: Machine, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "uname", "df", "awk", "dirname", "grep", "cat", "tail", "mkdir", "cp"):
        (tools / name).symlink_to(str(shutil.which(name)))
    machine.environment["PATH"] = str(tools)
    machine.fails_at(".[all,dev]", says="error: command 'gcc' failed: No such file or directory: 'gcc'\n")
    assert machine.setup().stderr.splitlines()[-1] == (
        "setup: a package has no build for this machine, and there is no C compiler to make one (apt install gcc)"
    )


linux = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("nvidia-smi") is not None, reason="the CPU build is for Linux without a GPU"
)


@linux
def test_the_cpu_build_is_taken_from_where_pip_looks_already(machine: Machine) -> None:
    machine.setup()
    assert [line for line in machine.asked if "torch" in line] == [
        "-m pip install --disable-pip-version-check torch==2.13.0+cpu"
    ]


@linux
def test_another_index_is_asked_only_where_none_is_configured_and_never_instead(machine: Machine) -> None:
    machine.fails_at("check torch==2.13.0+cpu")
    assert machine.setup().returncode == 0
    assert "--extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0+cpu" in machine.asked[2]
    (machine.folder / "asked").write_text("")
    (machine.folder / "config").write_text("global.index-url='https://mirror.example/simple'\n")
    done = machine.setup()
    assert done.returncode == 0
    assert "the one with CUDA takes 5 GB more" in done.stderr
    assert machine.asked[2].endswith("check torch==2.13.0")
    for option in (" --index-url", " -i ", "--trusted-host", "--cert", "--no-index", "--isolated", "--proxy"):
        assert not [line for line in machine.asked if option in line]
    assert "http" not in " ".join(machine.asked)
