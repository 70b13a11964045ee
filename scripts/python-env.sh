#!/usr/bin/env bash
# Makes .venv with the libraries that read our cubes in the tests, and prints its interpreter.
# Python 3.12 or newer is found by running it: a name on the PATH may be a shim that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/python/requirements.txt
stamp=.venv/requirements.txt
if [ -x .venv/bin/python ] && cmp -s "$wanted" "$stamp"; then
  echo "$PWD/.venv/bin/python"
  exit 0
fi

new_enough='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))'
candidates=(python3.14 python3.13 python3.12 python3)
for root in "${PYENV_ROOT:-$HOME/.pyenv}"; do
  for version in "$root"/versions/3.1[2-9]*/bin/python3; do candidates+=("$version"); done
done
python=
for candidate in "${candidates[@]}"; do
  if "$candidate" -c "$new_enough" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  cat >&2 <<'MESSAGE'
The tests read cubes with Python 3.12 or newer (icechunk, zarr and xarray ask for it) and found none.
Install one: `apt-get install python3.12 python3.12-venv` where the system has it, or `pyenv install 3.13`.
MESSAGE
  exit 1
fi

echo "making .venv with $("$python" --version)" >&2
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$wanted" >&2
cp "$wanted" "$stamp"
echo "$PWD/.venv/bin/python"
