#!/bin/sh
# Make a virtual environment with webtext and everything its tests need. Called by `make setup`.
# usage: setup.sh PYTHON VENV
#
# pip is used as this machine has it configured: its index, certificates and proxy are not overridden. What pip says goes
# to VENV/setup.log, and its end is shown where something fails.
set -eu
python=$1
venv=$2
log=$venv/setup.log
torch=2.13.0 # as in constraints.txt
# PyTorch's own index of CPU builds: PyPI's Linux wheels bring several gigabytes of CUDA.
cpu_index=https://download.pytorch.org/whl/cpu

say() {
	echo "setup: $1" >&2
}

fail() {
	say "$1"
	exit 1
}

# Gigabytes free for a folder that may not exist yet.
free() {
	place=$1
	while [ ! -d "$place" ]; do place=$(dirname "$place"); done
	df -Pk "$place" | awk 'NR == 2 {print int($4 / 1024 / 1024)}'
}

# pip install, quietly; what it says goes to the log.
try() {
	"$venv/bin/python" -m pip install --disable-pip-version-check "$@" >>"$log" 2>&1
}

install() {
	try "$@" && return
	tail -n 12 "$log" >&2
	if grep -q 'No space left on device' "$log"; then
		fail "the disk is full (pip unpacks in ${TMPDIR:-/tmp}; TMPDIR names another place)"
	elif grep -qE 'command .*(gcc|cc|clang).* failed|No such file or directory: .*(gcc|cc)|error: Microsoft' "$log" &&
		! command -v cc >/dev/null 2>&1; then
		fail "a package has no build for this machine, and there is no C compiler to make one (apt install gcc)"
	elif grep -qE 'Retrying \(|from versions: none|Temporary failure in name resolution|ConnectionError|CERTIFICATE_VERIFY_FAILED' "$log"; then
		fail "pip cannot reach its package index; set your proxy, certificate or index in pip's own configuration"
	fi
	fail "pip could not install webtext; all it said is in $log"
}

command -v "$python" >/dev/null 2>&1 || fail "there is no $python here; install Python 3.11 or newer, or say make PYTHON=…"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || fail "$python does not run"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	for newer in python3.13 python3.12 python3.11; do
		"$newer" -c 'import venv, ensurepip' 2>/dev/null &&
			fail "this is Python $version; webtext needs 3.11 or newer, and you have one: make PYTHON=$newer"
	done
	fail "this is Python $version; webtext needs 3.11 or newer (make PYTHON=… names another one)"
fi
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
	fail "this Python has no venv; install it (Debian, Ubuntu: apt install python$version-venv)"

cpu=no
need=3
if [ "$(uname -s)" = Linux ]; then
	if command -v nvidia-smi >/dev/null 2>&1; then need=10; else cpu=yes; fi
fi
have=$(free "$venv")
[ "$have" -ge "$need" ] || fail "$have GB free in $(pwd); the environment takes up to $need GB"
have=$(free "${TMPDIR:-/tmp}")
[ "$have" -ge 1 ] || fail "$have GB free in ${TMPDIR:-/tmp}; pip needs 1 GB to unpack (TMPDIR names another place)"

say "making $venv with Python $version (about 2 GB, one to three minutes)"
# A half-made environment, or one whose Python has gone since, is made anew.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
	[ ! -e "$venv" ] || [ -e "$venv/pyvenv.cfg" ] || fail "$venv is no virtual environment; move it away"
	"$python" -m venv --clear "$venv" || fail "$python could not make a virtual environment in $venv"
fi
: >"$log"
# Older pips skip an extra that trafilatura needs (lxml_html_clean).
install --upgrade 'pip>=24'

if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
	say "PyTorch $torch"
	if [ $cpu = no ]; then
		install "torch==$torch"
	# The CPU build from where pip looks already; else from PyTorch's index beside pip's, unless an index was configured.
	elif ! try "torch==$torch+cpu"; then
		# Read to its end: pip complains of a pipe that closes before.
		if [ -n "$("$venv/bin/python" -m pip config list | grep -E 'index-url|no-index')" ] ||
			! try --extra-index-url "$cpu_index" "torch==$torch+cpu"; then
			say "no CPU build of PyTorch is to be had; the one with CUDA takes 5 GB more"
			[ "$(free "$venv")" -ge 8 ] || fail "$(free "$venv") GB free in $(pwd), which is not enough for it"
			install "torch==$torch"
		fi
	fi
fi
say "webtext and the packages it needs"
if [ -f constraints.txt ]; then
	install -c constraints.txt -e '.[all,dev]'
else
	install -e '.[all,dev]'
fi
say "$venv is ready ($("$venv/bin/python" -V), $("$venv/bin/webtext" --version))"
