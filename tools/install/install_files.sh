#!/bin/sh
# install_files.sh SOURCE GUESTS INCLUDEDIR LIBEXECDIR DATADIR: run by `meson install`, which sets the destination.
# Headers keep their rooms' folders, because they include each other by them.
set -eu
source=$1 guests=$2
include=$MESON_INSTALL_DESTDIR_PREFIX/$3/trapline
libexec=$MESON_INSTALL_DESTDIR_PREFIX/$4/trapline/guests
scenarios=$MESON_INSTALL_DESTDIR_PREFIX/$5/trapline/scenarios

cd "$source"
find decoder emu loader probes boost scenarios -name '*.hpp' -o -name '*.inc' | while read -r file; do
    install -D -m 644 "$file" "$include/$file"
done
find scenarios -name '*.toml' | while read -r file; do
    install -D -m 644 "$file" "$scenarios/${file#scenarios/}"
done
# What the build made there, and nothing of its own files.
find "$guests" -maxdepth 1 -type f \( -perm -u+x -o -name '*.so' \) | while read -r file; do
    install -D -m 755 "$file" "$libexec/${file##*/}"
done
