#!/bin/sh
# Prints what this machine is made of, as JSON for Tinderbox. Reads /proc and /sys, changes nothing; POSIX, so that a
# busybox can run it. $1: another root, for tests.
root=${1:-}

# text NAME VALUE, number NAME VALUE, truth NAME VALUE: a member of a JSON object, or nothing where there is no value.
text() {
  escaped=$(printf '%s' "$2" | tr -d '\000-\037\177' | sed 's/^ *//; s/ *$//; s/[\\"]/\\&/g')
  [ -z "$escaped" ] || printf '"%s":"%s",' "$1" "$escaped"
}
number() {
  case $2 in
  '' | *[!0-9]*) ;;
  *) printf '"%s":%s,' "$1" "$2" ;;
  esac
}
truth() {
  case $2 in
  1) printf '"%s":true,' "$1" ;;
  0) printf '"%s":false,' "$1" ;;
  esac
}
object() { printf '{%s}' "${1%,}"; }
# first FILE: its first line. Some exist and cannot be read: the speed of a card without a link.
first() { head -n 1 "$1" 2>/dev/null; }

cpu() {
  model=$(sed -n 's/^model name[[:space:]]*: *//p' "$root/proc/cpuinfo" | head -n 1)
  text model "${model:-$(uname -m)}"
  number count "$(grep -c '^processor' "$root/proc/cpuinfo")"
}

disks() {
  for disk in "$root"/sys/block/*; do
    name=${disk##*/}
    case $name in
    loop* | ram* | zram* | dm-* | md* | sr* | fd* | nbd* | '*') continue ;;
    esac
    sectors=$(first "$disk/size")
    object "$(
      text name "$name"
      text model "$(first "$disk/device/model")"
      # In units of 512 bytes, whatever the disk's own sectors are.
      number bytes "$((${sectors:-0} * 512))"
    )"
    printf ,
  done
}

cards() {
  for card in "$root"/sys/class/net/*; do
    # Bridges, VLANs and loopback are no devices.
    [ -e "$card/device" ] || continue
    driver=$(readlink "$card/device/driver")
    object "$(
      text name "${card##*/}"
      text mac "$(first "$card/address")"
      text driver "${driver##*/}"
      number speed "$(first "$card/speed")"
      truth link "$(first "$card/carrier")"
    )"
    printf ,
  done
}

firmware() {
  if [ -d "$root/sys/firmware/efi" ]; then text kind uefi; else text kind bios; fi
  text vendor "$(first "$root/sys/class/dmi/id/bios_vendor")"
  text version "$(first "$root/sys/class/dmi/id/bios_version")"
  text date "$(first "$root/sys/class/dmi/id/bios_date")"
  # Four bytes of attributes, then 1 or 0.
  for variable in "$root"/sys/firmware/efi/efivars/SecureBoot-*; do
    [ ! -r "$variable" ] || truth secureBoot "$(tail -c 1 "$variable" | od -An -tu1 | tr -d ' ')"
  done
}

kibibytes=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' "$root/proc/meminfo")
disks=$(disks)
cards=$(cards)
printf '{"hardware":%s}\n' "$(object "$(
  printf '"cpu":%s,' "$(object "$(cpu)")"
  number memory "$((${kibibytes:-0} * 1024))"
  text board "$(first "$root/sys/class/dmi/id/board_vendor") $(first "$root/sys/class/dmi/id/board_name")"
  printf '"disks":[%s],' "${disks%,}"
  printf '"network":[%s],' "${cards%,}"
  printf '"firmware":%s,' "$(object "$(firmware)")"
)")"
