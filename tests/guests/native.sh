#!/bin/sh
# Runs the guests on the machine itself: what tests expect of them in emulation
# must be what they do here. Arguments: the folder that holds the built guests.
cd "$1" || exit 1
failed=0

# expect EXIT-CODE OUTPUT PROGRAM [ARGUMENTS...]; the output's lines are joined by blanks.
expect() {
    code=$1 output=$2
    shift 2
    seen=$(exec 2>/dev/null; ulimit -c 0; "$@"; exit $?)
    seen_code=$?
    seen=$(echo $seen)
    if [ "$seen_code" != "$code" ] || [ "$seen" != "$output" ]; then
        echo "$*: exit code $seen_code and '$seen' instead of $code and '$output'"
        failed=1
    fi
}

expect 0 '2' ./two-threads
expect 0 '3' ./three-threads
expect 0 '1' ./one-hit
expect 0 '6' ./calls-hot 3 2
expect 137 '' ./killed
expect 0 '1000000' ./loop
expect 0 '7' ./loop 7
expect 0 '7' ./add-loop 7
expect 0 '954' ./mixed-work
expect 0 '5 9' ./two-probe-points
expect 0 '5 9' ./two-probe-points signal
expect 0 '0 0' ./red-zone
expect 0 '18' ./nops-threads
expect 0 '4' ./nops-threads 1 1
expect 0 '0 6' ./nops-fork
expect 0 '0f 66 66 0f 66 66 0f 66 66' ./nops-text
expect 0 '3' ./nops-unmap
expect 0 '0f 0f' ./nops-crowded
expect 0 'program' ./where-interrupted
expect 0 '2' ./faulting
expect 0 '48' ./reads-own-text
expect 0 '1' ./own-int3
expect 0 'ok' ./kinds
expect 0 'child 1 parent 1' ./fork-hot
expect 0 '7 0' ./munmap-text
expect 0 'child parent' ./fork-inside
expect 0 '200' ./vfork-hot
expect 0 '10' ./five-points
expect 0 '35' ./five-points 6
expect 0 '10' ./five-points 1 row
expect 0 '' ./exits-under-thread
expect 0 '7 7' ./text-moves
expect 0 '9 9' ./patches-itself
expect 0 '2' ./debugs-itself int3
expect 0 '2' ./debugs-itself writable
expect 0 '2' ./debugs-itself operand
expect 0 '9 0' ./steps-itself
expect 0 '1 2' ./exec-self
expect 0 '10 42' ./segv-handler
expect 0 '40' ./blocked-threads
expect 0 '3' ./blocked-threads 3
expect 0 'alone 2' ./looks-at-maps
expect 0 'alone 2' ./looks-at-maps munmap
expect 0 '1' ./fills-memory
expect 0 '3' ./fills-memory 3
expect 0 '1 2 55' ./self-modify
expect 0 '105 105' ./jump-middle
expect 0 '12' ./jump-signal
expect 0 '89 89 89 6 7' ./jump-text
expect 0 '63 9' ./jump-threads
expect 0 '2 0' ./small-stack
expect 0 '2 0' ./small-stack data
expect 0 '0' ./live-stack
expect 0 '0' ./live-stack executable
expect 0 'refused' ./runs-its-stack
expect 0 '5 refused refused' ./wild-pointer
expect 0 '12 2' ./jump-threads 1 1
expect 139 '' ./jump0
expect 139 '' ./overflow
expect 124 '' timeout 0.2 ./forever
for hello in ./hello-*; do expect 0 'hello, world (2)' "$hello" argument; done
expect 0 '8000' ./threads8
expect 0 '8000' ./threads8-static
expect 0 'caught 10, destroyed 55 101 bad cast hit line probe slot trap 0.3' ./exceptions
if [ -e /proc/self/exe ]; then # how ld.so learns what $ORIGIN is
    expect 0 '3' ./uses-libhot
    expect 0 'child 3 parent 3' ./uses-libhot-twice
    expect 0 '5 parent 3' ./uses-libhot-twice ./uses-libhot 5
fi
# The digest is sha256sum's of the same mebibyte.
expect 0 'f5600770a8695a85fc7bb6d18a40a5b80a2b8a39c86f346a1b58f8ccc1e8fde6' ./sha 1
if grep -q -w avx2 /proc/cpuinfo 2>/dev/null; then expect 0 '3' ./avx; fi
exit $failed
