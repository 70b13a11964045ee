#!/usr/bin/env bash
# Installs what cargo cannot: libgdal with its headers, pkg-config and a C compiler; with `tests` also the
# browser that one of them draws a map in.
# Does nothing where they are there. Says what to install where it cannot.
set -euo pipefail

missing=()
pkg-config --exists gdal 2>/dev/null || missing+=(libgdal-dev)
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v cc >/dev/null || missing+=(build-essential)
command -v cmake >/dev/null || missing+=(cmake)
command -v curl >/dev/null || missing+=(curl)
if [ "${1:-}" = tests ] && command -v node >/dev/null && ! command -v chromium chromium-browser >/dev/null; then
  missing+=(chromium)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null && as_root=(sudo)
fi
if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && [ ${#as_root[@]} -eq 0 ]; }; then
  cat >&2 <<MESSAGE
frazil needs these packages, and this script can install them only with apt-get as root:
  ${missing[*]}
On Fedora: gdal-devel pkgconf-pkg-config gcc gcc-c++ cmake. On macOS: brew install gdal pkg-config cmake.
MESSAGE
  exit 1
fi
echo "installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
