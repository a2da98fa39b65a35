#!/bin/busybox sh
# The initramfs of a machine that has its system on its first virtio disk: drivers, that disk, systemd.
/bin/busybox mkdir -p /dev /proc /root
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do
  /bin/busybox insmod "$module"
done
tries=0
until [ -e /dev/vda ]; do
  tries=$((tries + 1))
  [ $tries -ge 100 ] && echo 'tinderbox: no disk' && /bin/busybox poweroff -f
  /bin/busybox usleep 100000
done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
