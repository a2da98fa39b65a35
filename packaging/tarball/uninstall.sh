#!/bin/sh
# Removes what install.sh put below the prefix that this file is in. Configuration, state and assets stay.
set -eu

program=$(cd -- "$(dirname -- "$0")" && pwd -P)
list=$program/installed-files
if [ ! -f "$list" ]; then
  echo "uninstall.sh: there is no $list; run the one that was installed: PREFIX/lib/tinderbox/uninstall.sh" >&2
  exit 1
fi
files=$(cat "$list")

if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ]; then
  systemctl disable --now tinderbox.service || true
  systemctl stop 'tinderbox-*@*.socket' || true
fi
echo "$files" | while read -r file; do
  case "$file" in */) ;; *) rm -f -- "$file" ;; esac
done
# Of the folders that install.sh made, those that are empty now; the deepest first.
echo "$files" | grep '/$' | LC_ALL=C sort -ru | while read -r folder; do
  [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty -- "$folder"
done
if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

for folder in /etc/tinderbox /var/lib/tinderbox; do
  [ ! -e "$folder" ] || echo "Kept: $folder. To remove it: sudo rm -r $folder"
done
if getent passwd tinderbox >/dev/null; then echo 'Kept: the user tinderbox. To remove it: sudo userdel tinderbox'; fi
