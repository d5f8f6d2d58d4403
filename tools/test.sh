#!/usr/bin/env bash
# All tests: installs what is missing, builds, runs them, and ends with one line
# "N passed, N failed, N skipped". Further arguments go to `meson test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/setup.sh --tests
tools/build.sh

log=build/meson-logs/testlog.json
rm -f "$log"
status=0
meson test -C build --print-errorlogs "$@" || status=$?

# meson writes one line of JSON for each test; its names for the outcomes are OK,
# EXPECTEDFAIL, SKIP, and a handful of ways to fail.
python3 - "$log" "$status" <<'PYTHON'
import json, os, sys

path, status = sys.argv[1], int(sys.argv[2])
lines = open(path).read().splitlines() if os.path.exists(path) else []
results = [json.loads(line)["result"] for line in lines]
passed = sum(result in ("OK", "EXPECTEDFAIL") for result in results)
skipped = results.count("SKIP")
failed = len(results) - passed - skipped
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or status else 0)
PYTHON
