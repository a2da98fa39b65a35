#!/bin/sh
# Builds the image of the role debian-live: a Debian that runs from memory, with cloud-init. Needs root and the packages
# mmdebstrap and squashfs-tools; the result is three files, which /assets serves.
set -eu

usage() {
  cat <<'TEXT'
usage: build-image.sh [OPTIONS] FOLDER

Writes vmlinuz, initrd.img and filesystem.squashfs into FOLDER, each whole or not at all.

  --suite SUITE      Debian's release (bookworm)
  --arch ARCH        amd64, arm64, ... (this host's)
  --kernel PACKAGE   linux-image-cloud-ARCH is smaller, and for virtual machines only (linux-image-ARCH)
  --include LIST     packages besides, with commas between
  --mirror URL       where Debian is fetched from (mmdebstrap's own choice)
  --quick            compresses less: for an image that is thrown away

example: build-image.sh --include tmux,ethtool /var/lib/tinderbox/assets/debian-live
TEXT
}

# `refuse TEXT`: the command line is wrong.
refuse() {
  echo "build-image.sh: $1" >&2
  usage >&2
  exit 2
}

suite=bookworm
arch=
kernel=
include=
mirror=
level=15
while [ $# -gt 0 ]; do
  case $1 in
    --suite | --arch | --kernel | --include | --mirror)
      [ $# -ge 2 ] || refuse "$1 wants a value"
      case $1 in
        --suite) suite=$2 ;;
        --arch) arch=$2 ;;
        --kernel) kernel=$2 ;;
        --include) include=$2 ;;
        --mirror) mirror=$2 ;;
      esac
      shift 2
      ;;
    --quick)
      level=1
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) refuse "there is no option $1" ;;
    *) break ;;
  esac
done
[ $# -eq 1 ] || refuse 'one folder is wanted'
target=$1
for program in mmdebstrap mksquashfs dpkg; do
  if ! command -v "$program" > /dev/null; then
    echo "build-image.sh: $program is missing: apt install mmdebstrap squashfs-tools" >&2
    exit 1
  fi
done
[ -n "$arch" ] || arch=$(dpkg --print-architecture)
[ -n "$kernel" ] || kernel=linux-image-$arch

# live-boot fetches the squashfs; systemd-networkd is what cloud-init configures; zstd compresses the initrd.
packages=$kernel,live-boot,live-boot-initramfs-tools,zstd,cloud-init,systemd-sysv,systemd-resolved,dbus,udev,iproute2,kmod
packages=$packages,procps,less,openssh-server,sudo,ca-certificates
[ -z "$include" ] || packages=$packages,$include

mkdir -p "$target"
work=$(mktemp -d "$target/.build-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

mkdir "$work/files"
cat > "$work/files/cloud.cfg" <<'TEXT'
# What a machine is comes from Tinderbox alone; no cloud is looked for.
datasource_list: [ NoCloud, None ]
ssh_pwauth: false
# There is one locale in the image, and no disk to grow.
locale: false
growpart: { mode: 'off' }
resize_rootfs: false
manage_etc_hosts: localhost
apt: { preserve_sources_list: true }
TEXT
cat > "$work/files/initramfs" <<TEXT
COMPRESS=zstd
COMPRESSLEVEL=$level
TEXT

# What must differ from machine to machine is not in the image: cloud-init and systemd make names, identities and keys at boot.
cat > "$work/files/customize" <<'TEXT'
set -eu
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/hostname" "$1/var/lib/dbus/machine-id"
: > "$1/etc/machine-id"
systemctl --quiet --root="$1" enable systemd-networkd.service systemd-resolved.service
systemctl --quiet --root="$1" mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer
TEXT

# What is in single quotes is for the shells of mmdebstrap.
# shellcheck disable=SC2016
mmdebstrap --quiet --mode=root --variant=minbase --arch="$arch" --include="$packages" \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/cloud/cloud.cfg.d"' \
  --setup-hook="upload '$work/files/initramfs' /etc/initramfs-tools/conf.d/tinderbox" \
  --setup-hook="upload '$work/files/cloud.cfg' /etc/cloud/cloud.cfg.d/95-tinderbox.cfg" \
  --customize-hook="sh '$work/files/customize' \"\$1\"" \
  "$suite" "$work/root" ${mirror:+"deb $mirror $suite main"}

cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
cp "$work"/root/boot/initrd.img-* "$work/initrd.img"
mksquashfs "$work/root" "$work/filesystem.squashfs" -quiet -no-progress -noappend -comp zstd -Xcompression-level "$level" -e boot
for file in vmlinuz initrd.img filesystem.squashfs; do
  chmod 644 "$work/$file"
  mv "$work/$file" "$target/$file"
done
echo "built $target: a squashfs of $(du -h "$target/filesystem.squashfs" | cut -f1)"
