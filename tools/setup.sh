#!/bin/sh
# Make a virtual environment with webtext and everything its tests need. Called by `make setup`.
# usage: setup.sh PYTHON VENV
set -eu
python=$1
venv=$2
torch=2.13.0 # as in constraints.txt
# PyTorch's own index of CPU builds: PyPI's Linux wheels bring several gigabytes of CUDA.
cpu_index=${TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}

fail() {
	echo "setup: $1" >&2
	exit 1
}

command -v "$python" >/dev/null 2>&1 || fail "there is no $python here; install Python 3.11 or newer, or say make PYTHON=…"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	fail "$("$python" -V) is too old; webtext needs Python 3.11 or newer (make PYTHON=python3.11)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
	fail "this Python has no venv; install it (Debian, Ubuntu: apt install python3-venv)"
free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024 / 1024)}')
[ "$free" -ge 4 ] || fail "only $free GB free here; the environment takes about 3 GB"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip"
# Older pips skip an extra that trafilatura needs (lxml_html_clean).
$pip install -q --upgrade 'pip>=24'

if $venv/bin/python -c 'import torch' 2>/dev/null; then
	:
elif [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1; then
	# The CPU build: from where pip already looks, or from PyTorch's index; the ordinary wheel as the last resort.
	$pip install -q "torch==$torch+cpu" 2>/dev/null ||
		$pip install -q "torch==$torch" --index-url "$cpu_index" 2>/dev/null ||
		$pip install -q "torch==$torch"
else
	$pip install -q "torch==$torch"
fi
if [ -f constraints.txt ]; then
	$pip install -q -c constraints.txt -e '.[all,dev]'
else
	$pip install -q -e '.[all,dev]'
fi
echo "setup: $venv is ready ($("$venv/bin/python" -V), $("$venv/bin/webtext" --version))"
