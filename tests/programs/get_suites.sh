#!/usr/bin/env bash
# Gets the sources of other people's test suites from Debian: busybox, posixtestsuite, QEMU's tests/tcg.
#
#     get_suites.sh DIRECTORY [SUITE...]
#
# deb-src entries go into a list of their own, beside the machine's, so nothing about the system changes. suites.py
# builds and runs what is here. Tests do not need it: they take what fits into a minute, from Debian's binary packages.
set -euo pipefail
export LC_ALL=C
directory=${1:?usage: get_suites.sh DIRECTORY [SUITE...]}
shift
[ $# -gt 0 ] || set -- busybox posixtestsuite qemu
mkdir -p "$directory/apt/lists/partial"
cd "$directory"

release=$(. /etc/os-release && echo "${VERSION_CODENAME:?this is not a Debian release}")
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
    "Codename: $release" 'Component: main' | head -n 1)
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release main" >apt/sources.list

options=(-q -o "Dir::Etc::sourcelist=$PWD/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$PWD/apt/lists"
    -o Acquire::Languages=none)
apt-get "${options[@]}" update >/dev/null
for suite in "$@"; do
    apt-get "${options[@]}" --download-only source "$suite" >/dev/null
    mkdir -p "$suite"
    case $suite in
    busybox) tar -xf busybox_*.orig.tar.bz2 -C "$suite" --strip-components=1 --wildcards '*/testsuite/*' '*/scripts/*' ;;
    qemu) tar -xf qemu_*.orig.tar.xz -C "$suite" --strip-components=1 --wildcards '*/tests/tcg/*' ;;
    *) tar -xf "$suite"_*.orig.tar.* -C "$suite" --strip-components=1 ;;
    esac
    echo "$suite is in $PWD/$suite"
done
