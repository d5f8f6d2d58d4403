#!/usr/bin/env bash
# Installs what trapline needs on Debian 12, and nothing that is already there.
#
#   tools/setup.sh           what the build needs
#   tools/setup.sh --tests   also what the tests run
#   tools/setup.sh --lint    also clang-format and clang-tidy
#
# All of it is in the machine's own package source, except Unicorn: Debian 12
# has 2.0.1, which cannot do real paging. Debian 13's 2.1.1 depends on libc6 alone and is
# taken from the same mirror, pinned so that no other package comes from there.
# It leaves two files: sources.list.d/trapline-unicorn.* and preferences.d/trapline-unicorn.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

readonly unicorn_suite=trixie unicorn_at_least=2.1.1
readonly unicorn_packages=(libunicorn2t64 libunicorn-dev)
readonly sources_stem=/etc/apt/sources.list.d/trapline-unicorn
readonly preferences=/etc/apt/preferences.d/trapline-unicorn

build_packages=(g++ meson ninja-build pkg-config libcapstone-dev liblief-dev libmbedtls-dev libfmt-dev doctest-dev libcli11-dev
    libtomlplusplus-dev nlohmann-json3-dev libexpected-dev libxxhash-dev libzydis-dev libbenchmark-dev)
test_packages=(chromium gdb mandoc musl-tools qemu-user sqlite3 perl python3 gawk gzip coreutils binutils git
    bc bsdextrautils bzip2 file jq libpython3.11-testsuite lua5.4 make mawk mksh openssl original-awk patch redis-server ruby stress-ng tcl unzip
    xxd xz-utils zip zsh zstd)
lint_packages=(clang-format-16 clang-tidy-16)

fail() {
    echo "setup: $*" >&2
    exit 1
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
version_suffices() { [ -n "$1" ] && dpkg --compare-versions "$1" ge "$unicorn_at_least"; }
unicorn_installed() {
    is_installed libunicorn-dev && version_suffices "$(dpkg-query -W -f '${Version}' libunicorn-dev)"
}
candidate() { apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo env LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# apt's own words go to a log; only its errors are worth anybody's time.
apt_quietly() {
    as_root apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}
fail_with_log() {
    grep '^E:' "$log" | sort -u | tail -n 3 >&2 || true
    fail "$*"
}

update_lists() { apt_quietly -o APT::Update::Error-Mode=any "$@" update; }
update_unicorn_source() {
    update_lists -o Dir::Etc::sourcelist="$1" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
}

# The first package source entry that provides Debian's main archive of one
# release, as FILE:NUMBER. apt knows who signed what; a name alone could be anybody's.
debian_entry() {
    apt-get indextargets --format '$(SOURCESENTRY) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
        'Label: Debian' "Codename: $1" 'Component: main' | awk '$2 !~ /^cdrom:/ && !found++ { print $1 }'
}

# The same entry with another suite: everything else about a mirror (address, options, keys) stays as it is.
# NUMBER counts lines in a .list file and stanzas, without comments, in a .sources file.
entry_for_unicorn() {
    local file=${1%:*} number=${1##*:}
    case $file in
    *.sources)
        grep -v '^#' "$file" | awk -v wanted="$number" -v suite="$unicorn_suite" '
            /^[[:space:]]*$/ { inside = 0; next }
            !inside { inside = 1; ++stanza }
            stanza != wanted { next }
            /^[^[:space:]]/ { replaced = tolower($0) ~ /^(types|suites|components|enabled|targets)[[:space:]]*:/ }
            !replaced { print }
            END { print "Types: deb\nSuites: " suite "\nComponents: main" }'
        ;;
    *)
        sed -n "${number}p" "$file" |
            sed -E "s/#.*//; s/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]].*/deb \1\2 $unicorn_suite main/"
        ;;
    esac
}

write_file() { as_root tee "$1" >/dev/null; }

unicorn_pin() { printf 'Package: %s\nPin: release n=%s\nPin-Priority: %s\n\n' "$1" "$unicorn_suite" "$2"; }

# After this, apt's candidate for libunicorn-dev is new enough. Whatever goes wrong, no
# half-made source stays behind, because it would break the next apt-get update.
provide_unicorn() {
    version_suffices "$(candidate libunicorn-dev)" && return
    local release entry source=
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    if [ -n "$(debian_entry "$unicorn_suite")" ]; then
        unicorn_pin "${unicorn_packages[*]}" 990 | write_file "$preferences"
    else
        entry=$(debian_entry "$release")
        [ -n "$entry" ] || fail_with_log "none of this machine's package sources serves Debian's main archive for" \
            "'$release', so Unicorn cannot be found beside it; install libunicorn-dev >= $unicorn_at_least by hand"
        source=$sources_stem.list
        case $entry in *.sources:*) source=$sources_stem.sources ;; esac
        { unicorn_pin '*' -10 && unicorn_pin "${unicorn_packages[*]}" 990; } | write_file "$preferences"
        entry_for_unicorn "$entry" | write_file "$source"
        if ! update_unicorn_source "$source"; then
            # An old keyring does not know the newer release's key; the current one of this release does.
            grep -q -E 'NO_PUBKEY|not signed|EXPKEYSIG' "$log" && apt_quietly install debian-archive-keyring &&
                update_unicorn_source "$source" || true
        fi
    fi
    version_suffices "$(candidate libunicorn-dev)" && return
    as_root rm -f "$preferences" ${source:+"$source"}
    fail_with_log "the mirror of this machine gave no Unicorn $unicorn_at_least from $unicorn_suite;" \
        "install libunicorn-dev >= $unicorn_at_least by hand"
}

for argument in "$@"; do
    case $argument in
    --tests) want_tests=1 ;;
    --lint) want_lint=1 ;;
    *) fail "unknown option '$argument' (known: --tests, --lint)" ;;
    esac
done
wanted=("${build_packages[@]}")
[ -z "${want_lint:-}" ] || wanted+=("${lint_packages[@]}")
if [ -n "${want_tests:-}" ]; then
    wanted+=("${test_packages[@]}")
    # The two exclude each other, and somebody chose the other one.
    is_installed busybox || wanted+=(busybox-static)
fi

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    fail "this is not a Debian system; needed are: ${wanted[*]} libunicorn-dev (>= $unicorn_at_least)"

missing=()
for package in "${wanted[@]}"; do is_installed "$package" || missing+=("$package"); done
unicorn_installed || missing+=("${unicorn_packages[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "run this as root or install sudo; missing: ${missing[*]}"
echo "setup: installing ${missing[*]}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
update_lists || true # a third party's broken source is no reason to stop: the candidates decide
unicorn_installed || provide_unicorn
for package in "${missing[@]}"; do
    [ -n "$(candidate "$package")" ] ||
        fail_with_log "$package is in none of this machine's package sources (trapline is built on Debian 12)"
done

# Replacing Unicorn 2.0.1 is the purpose; anything else that apt would remove is not ours to lose.
install=(install --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}")
losses=$(apt-get -s "${install[@]}" 2>>"$log" | awk '$1 == "Remv" && $2 !~ /^libunicorn/ { printf " %s", $2 }') ||
    fail_with_log "these packages cannot be installed together: ${missing[*]}"
[ -z "$losses" ] || fail "installing would remove$losses; please decide about that first"
apt_quietly "${install[@]}" || fail_with_log "apt could not install: ${missing[*]}"
unicorn_installed || fail "libunicorn-dev is older than $unicorn_at_least after the installation"
