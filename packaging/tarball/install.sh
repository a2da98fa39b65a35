#!/bin/sh
# Installs Tinderbox below a prefix, or a newer version over an older one:
#
#     sudo ./install.sh [--prefix /usr/local]
#
# Needs Linux with glibc 2.34 or newer and, for the service, systemd 252 or newer. Changes no configuration.
set -eu

prefix=/usr/local
case "${1:-}" in
  '') ;;
  --prefix) prefix=${2:?--prefix wants a folder} ;;
  *)
    echo "usage: $0 [--prefix FOLDER]" >&2
    exit 2
    ;;
esac
case "$prefix" in
  /*) prefix=${prefix%/} ;;
  *)
    echo "install.sh: the prefix must be an absolute path, not '$prefix'" >&2
    exit 2
    ;;
esac
from=$(cd -- "$(dirname -- "$0")" && pwd -P)
list=$prefix/lib/tinderbox/installed-files
new=$list.new
umask 022

# systemd looks below /usr and /usr/local, and of other prefixes knows nothing.
place() {
  case "$prefix:$1" in
    /usr:* | /usr/local:*) echo "$prefix/$1" ;;
    *:lib/systemd/system/*) echo "/etc/systemd/system/${1##*/}" ;;
    *:lib/sysusers.d/* | *:lib/tmpfiles.d/*) echo "/etc/${1#lib/}" ;;
    *) echo "$prefix/$1" ;;
  esac
}

# Folders are listed with a slash at the end, if they were not there before.
missing_folders() {
  [ -d "$1" ] || { echo "$1/"; missing_folders "$(dirname -- "$1")"; }
}
make_folder() {
  missing_folders "$1" >>"$new"
  mkdir -p "$1"
}

old=''
[ ! -f "$list" ] || old=$(cat "$list")
made=$(missing_folders "$prefix/lib/tinderbox")
mkdir -p "$prefix/lib/tinderbox"
printf '%s\n' "$old" "$made" | grep '/$' >"$new" || true
# A file is replaced by a rename: what runs keeps the one that it has open.
(cd "$from" && find bin lib share ! -type d) | while read -r name; do
  to=$(place "$name")
  make_folder "$(dirname -- "$to")"
  cp -P "$from/$name" "$to.new"
  case "$name" in
    lib/systemd/system/* | share/tinderbox/systemd/*) sed -i "s|/usr/bin/tinderbox|$prefix/bin/tinderbox|g" "$to.new" ;;
  esac
  mv -f "$to.new" "$to"
  echo "$to" >>"$new"
done
cp "$from/uninstall.sh" "$prefix/lib/tinderbox/uninstall.sh"
chmod 755 "$prefix/lib/tinderbox/uninstall.sh"
printf '%s\n' "$prefix/lib/tinderbox/uninstall.sh" "$list" >>"$new"
# What the version before had and this one has not.
echo "$old" | while read -r file; do
  case "$file" in '' | */) continue ;; esac
  grep -qxF -- "$file" "$new" || rm -f -- "$file"
done
mv "$new" "$list"

failed=0
if [ "$(id -u)" = 0 ] && command -v systemd-sysusers >/dev/null; then
  systemd-sysusers "$(place lib/sysusers.d/tinderbox.conf)"
  systemd-tmpfiles --create "$(place lib/tmpfiles.d/tinderbox.conf)" || [ $? -eq 73 ]
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart tinderbox.service || failed=1
  fi
else
  echo 'No user, folders and service are made: that takes root and systemd.'
fi
echo "Installed. To remove it: sudo $prefix/lib/tinderbox/uninstall.sh"
[ -e /etc/tinderbox/tinderbox.yaml ] || echo "Next: sudo $prefix/bin/tinderbox init"
if [ $failed = 1 ]; then
  echo 'The service was stopped, and the new version does not start.' >&2
  echo 'See: systemctl status tinderbox; journalctl -u tinderbox' >&2
  exit 1
fi
