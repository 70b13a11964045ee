#!/usr/bin/env bash
# Makes .node with the YAML language server that editors use and what reads cubes in browsers, and prints the server's program.
# Prints nothing where there is no node: the test that needs it says so.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/node/package.json
server=$PWD/.node/node_modules/yaml-language-server/bin/yaml-language-server
if [ -f "$server" ] && cmp -s "$wanted" .node/package.json; then
  echo "$server"
  exit 0
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "no node: the test of the YAML language server is left out" >&2
  exit 0
fi
echo "making .node with node $(node --version)" >&2
rm -rf .node
mkdir .node
cp "$wanted" .node/package.json
(cd .node && npm install --no-audit --no-fund --no-package-lock --loglevel=error >&2)
echo "$server"
