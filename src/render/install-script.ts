import type { LaidOutConfig, LaidOutFile } from './lay-out-config.ts';

/**
 * A script that an operator reads and runs: it copies the files to their places, with owner and mode, and does with
 * systemd what coreos-cloudinit would, in its order. With a folder as its argument it only copies, to below there.
 */
export function installScript(
  { files, steps }: Pick<LaidOutConfig, 'files' | 'steps'>,
  role: string,
): string {
  return `#!/bin/sh
# Makes this host what the role ${role} says. Written by \`tinderbox render --role\`; read it before you run it.
# A file that is replaced is kept as <file>.before-tinderbox, once.
#   sudo ./install.sh            install, and start
#   ./install.sh /some/folder    only copy, to below /some/folder
set -eu
cd "$(dirname "$0")"
root=\${1:-}

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
  echo 'install.sh: run it as root: sudo ./install.sh' >&2
  exit 1
fi

# Arguments: mode, owner, group, path.
put() {
  target=$root$4
  if [ -L "$target" ] || { [ -e "$target" ] && [ ! -f "$target" ]; }; then
    echo "install.sh: $target is no regular file" >&2
    exit 1
  fi
  if [ -f "$target" ] && ! cmp -s ".$4" "$target" && [ ! -e "$target.before-tinderbox" ]; then
    cp -p "$target" "$target.before-tinderbox"
  fi
  if [ "$(id -u)" -eq 0 ]; then
    install -D -m "$1" -o "$2" -g "$3" ".$4" "$target"
  else
    install -D -m "$1" ".$4" "$target"
  fi
}

${files.map(putLine).join('')}
if [ -n "$root" ]; then
  echo "install.sh: copied to $root; nothing was started"
  exit 0
fi

systemctl daemon-reload
${steps.map(({ verb, unit }) => `systemctl ${noBlock(verb)}${verb} ${quote(unit)}\n`).join('')}`;
}

function putLine({ path, mode, owner }: LaidOutFile): string {
  const [user = 'root', group = user] = owner.split(':');
  return `put ${mode.toString(8).padStart(4, '0')} ${quote(user)} ${quote(group)} ${quote(path)}\n`;
}

/** What a role starts may wait for a network, or for other machines: the script does not. */
function noBlock(verb: string): string {
  return verb === 'enable' || verb === 'mask' ? '' : '--no-block ';
}

function quote(text: string): string {
  return /^[A-Za-z0-9_./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
