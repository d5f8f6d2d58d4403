#!/usr/bin/env bash
# The main job, from nothing to a result: installs what is missing, builds, replays
# the missed-probe race, compares the strategies on it, and probes a real program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/setup.sh
tools/build.sh

show() {
    if [ -t 1 ]; then printf '\n\033[1m# %s\033[0m\n' "$1"; else printf '\n# %s\n' "$1"; fi
    shift
    printf '$ %s\n' "$*"
    "$@"
}

show 'The race: one CPU steps the original, the other walks past the lifted probe' \
    build/tools/trapline replay scenarios/missed-probe/two-cpus.toml
show 'Every strategy, in every order of the two threads' build/tools/trapline compare scenarios/races/01-window.toml
show 'A real program: how often does ls call malloc?' \
    build/tools/trapline run -p /lib/x86_64-linux-gnu/libc.so.6:malloc --cpus 2 -- /bin/ls -l /usr
