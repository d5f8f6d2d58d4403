#!/usr/bin/env bash
# Brings build/ up to date, after tools/setup.sh. The demo and the tests share it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)

# A build folder that came along with a copied checkout builds the other checkout's files.
if [ -f build/meson-info/meson-info.json ] && ! grep -q -F "\"source\": \"$root\"" build/meson-info/meson-info.json; then
    rm -rf build
fi

# Packages that came or went since the last configuration may change what is built.
configure=(meson setup build)
if [ -f build/build.ninja ]; then
    configure=(true)
    [ ! /var/lib/dpkg/status -nt build/build.ninja ] || configure=(meson setup --reconfigure build)
fi
if ! output=$("${configure[@]}" 2>&1); then
    echo "$output" >&2
    exit 1
fi

if [ -t 1 ]; then
    ninja -C build
else
    echo "build: compiling in $root/build"
    ninja -C build --quiet
fi
