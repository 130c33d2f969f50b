#!/bin/sh
# Build the wheel of what is committed, install it into a fresh environment as a user does, and walk the demo's whole way
# from an empty folder. Needs the package index that pip is configured for, 3 GB in TMPDIR and some five minutes.
# usage: check_wheel.sh [PYTHON]
set -eu
python=${1:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' INT TERM

mkdir "$place/source" "$place/empty"
git -C "$root" archive HEAD | tar -x -C "$place/source" # a build leaves its own folders behind
"$python" -m venv "$place/venv"
"$place/venv/bin/python" -m pip wheel -q --no-deps --wheel-dir "$place" "$place/source"
# With the pip that came with this Python, however old; the pins keep what is tested together.
"$place/venv/bin/python" -m pip install -q -c "$root/constraints.txt" "$(ls "$place"/webtext-*.whl)[all]"

cd "$place/empty"
unset PYTHONPATH
found=$("$place/venv/bin/python" -c 'import webtext.api; print(webtext.api.__file__)')
case $found in "$place"/venv/*) ;; *) echo "check_wheel: webtext was imported from $found" >&2 && exit 1 ;; esac
"$place/venv/bin/webtext" --version
"$place/venv/bin/webtext" demo
echo "check_wheel: the wheel works from an empty folder"
