#!/usr/bin/env bash
# Installs the Python programs that tests compare with, into target/python, and prints the interpreter's path.
#
#   scripts/python.sh          the reference package of NIR, NumPy, safetensors: small
#   scripts/python.sh norse    Norse as well, which needs PyTorch: 3 GB
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/python
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
install() { "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" >&2; }
install nir numpy safetensors
if [ "${1:-}" = norse ]; then
    # Norse names more than running a graph needs.
    install torch nirtorch
    install --no-deps norse
fi
echo "$PWD/$venv/bin/python"
