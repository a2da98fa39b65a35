#!/bin/busybox sh
# The whole user space of the lab's live image. It does what a cloud operating system does at its first boot, as
# little as can be observed: network, configuration, host name, a word to whoever asked for it.
#
# Kernel arguments, the last of each wins:
#   cloud-config-url=URL   fetched, shown on the console between two marker lines, and applied: its write_files are
#                          written, and /opt/tinderbox/start is run if it is one of them
#   tinderbox.report=URL   told `stage=booted`, or `stage=failed` with what went wrong
#   tinderbox.syslog=HOST:PORT  sent what the kernel and this script print
#   tinderbox.poweroff     the machine turns itself off afterwards

/bin/busybox mkdir -p /proc /sys /dev /run /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin
exec </dev/console >/dev/console 2>&1
# The firmware may have left its last line open.
echo

argument() {
  tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | tail -n 1
}

say() {
  echo "tinderbox: $*"
  [ ! -S /dev/log ] || logger -t tinderbox "$*"
}

# fetch FILE URL [wget's options]: half a minute of patience, since a server may be restarting.
fetch() {
  file=$1 url=$2
  shift 2
  tries=0
  # Not wget's own -T: in Debian's static build it ends in a segmentation fault.
  until timeout 10 wget -q -O "$file" "$@" "$url"; do
    tries=$((tries + 1))
    [ $tries -ge 10 ] && return 1
    sleep 3
  done
}

report() {
  [ -n "$report_url" ] || return 0
  fetch /run/answer "$report_url" --post-data "$1" || say "could not report to $report_url"
}

finish() {
  if grep -qw tinderbox.poweroff /proc/cmdline; then
    say 'turning off'
    poweroff -f
  fi
  while :; do sleep 3600; done
}

fail() {
  say "failed: $*"
  report "stage=failed&log=$(echo "$*" | sed 's/[^A-Za-z0-9.:/_-]/+/g')"
  finish
}

report_url=$(argument tinderbox.report)
config_url=$(argument cloud-config-url)

for module in /modules/*.ko; do
  case $module in
  # A BIOS has no variables.
  *efivarfs.ko) [ -d /sys/firmware/efi ] || continue ;;
  esac
  insmod "$module" || say "cannot load $module"
done
[ ! -d /sys/firmware/efi ] || mount -t efivarfs efivarfs /sys/firmware/efi/efivars ||
  say "cannot read the firmware's variables"

cat >/run/udhcpc.sh <<'SCRIPT'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/${mask:-24}" dev "$interface"
[ -n "$router" ] && ip route add default via "${router%% *}"
for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
echo "tinderbox: $interface has $ip from ${serverid:-?}"
SCRIPT
chmod +x /run/udhcpc.sh

ip link set lo up
tries=0
until [ -e /sys/class/net/eth0 ]; do
  tries=$((tries + 1))
  [ $tries -ge 50 ] && fail 'no network card that this image knows'
  usleep 100000
done

for device in /sys/class/net/eth*; do
  device=${device##*/}
  ip link set "$device" up
  # udhcpc waits a little for the carrier by asking again.
  udhcpc -q -n -f -t 8 -T 1 -A 1 -i "$device" -s /run/udhcpc.sh >/run/udhcpc.log 2>&1 && break
  device=
done
grep '^tinderbox:' /run/udhcpc.log
[ -n "$device" ] || fail 'no address: no DHCP server answered'

syslog=$(argument tinderbox.syslog)
if [ -n "$syslog" ]; then
  syslogd -R "$syslog" && klogd
fi

hostname=live
if [ -n "$config_url" ]; then
  # It may hold keys.
  umask 077
  fetch /run/cloud-config "$config_url" || fail "cannot fetch $config_url"
  echo '--- cloud-config ---'
  # What a screen shows is in somebody's log.
  sed '/BEGIN [A-Z ]*PRIVATE KEY/,/END [A-Z ]*PRIVATE KEY/s,^\( *\)[A-Za-z0-9+/=]*$,\1(not shown),' /run/cloud-config
  echo
  echo '--- end ---'
  configured=$(sed -n 's/^hostname:[ \t]*//p' /run/cloud-config | head -n 1 | tr -d "\"' \t\r")
  [ -n "$configured" ] && hostname=$configured
fi
hostname "$hostname"
if [ -n "$config_url" ]; then
  awk -v root= -f /apply-cloud-config.awk /run/cloud-config >/run/start.log 2>&1 ||
    fail "cannot apply the configuration: $(cat /run/start.log)"
  umask 022
  if [ -x /opt/tinderbox/start ]; then
    # Shown as it comes: an emulated processor takes its time for a key.
    { /opt/tinderbox/start 2>&1 || echo "start: ended with $?"; } | tee /run/start.log
    ended=$(grep '^start: ended with' /run/start.log) && fail "$ended: $(tail -n 5 /run/start.log)"
  fi
fi

if [ -n "$report_url" ]; then
  fetch /run/answer "$report_url" --post-data "$(sh /hardware.sh)" || say 'could not tell what this machine is made of'
fi
say "$(hostname) up with $(cat "/sys/class/net/$device/address")"
report 'stage=booted'
say 'reported booted'
finish
