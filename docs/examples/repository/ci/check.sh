#!/bin/sh
# What both workflows run: every scenario of probes/, with a report for the machine and one for people.
# GITHUB_ACTIONS and GITHUB_STEP_SUMMARY are set on GitHub; elsewhere there are no annotations and the summary is a file.
set -eu
cd "$(dirname "$0")/.."
summary=${GITHUB_STEP_SUMMARY:-summary.md}

status=0
trapline replay ${GITHUB_ACTIONS:+--github} --guests src --junit probes.xml probes/*.toml || status=$?

# The table and a picture of the race go where people look first.
summarise() {
    echo '## Probes' &&
        trapline compare --guests src --strategy inline,xol --markdown - probes/in-place-misses.toml &&
        trapline replay --guests src --log race.jsonl probes/in-place-misses.toml >&2 &&
        echo '```mermaid' &&
        trapline show --mermaid race.jsonl &&
        echo '```'
}
summarise >>"$summary" || status=1
exit "$status"
