import type { Mac } from '../machine/mac.ts';

/**
 * Makes QEMU's network ROM, which is iPXE, behave as a vendor's PXE ROM on the card with this MAC: another user class,
 * no scripts, one boot file by TFTP, started over UNDI. The ROM gets this script from QEMU's own little network on
 * its other card. The boot file's name comes in the DHCP answer or, beside a proxy, in the proxy's (iPXE keeps those
 * apart).
 *
 * The user class is cleared before the boot file starts: the ROM hands its settings on as a made-up DHCPACK, and the
 * iPXE that it starts would ask as a vendor's ROM again, without end. DHCP alone is configured (`ifconf`, not
 * `dhcp`): iPXE of 2019 otherwise waits 13 seconds for an IPv6 router.
 */
export function vendorRomScript(mac: Mac): string {
  return `#!ipxe
set user-class legacy-pxe
ifclose net0
ifclose net1
iseq \${net0/mac} ${mac} && set card net0 || set card net1
echo vendor ROM: asking on \${card}
ifconf --configurator dhcp \${card} || goto failed
clear user-class
isset \${proxydhcp/filename} && goto proxy ||
isset \${\${card}/filename} || goto failed
echo vendor ROM: loading \${\${card}/filename} from \${\${card}/next-server}
chain tftp://\${\${card}/next-server}/\${\${card}/filename} || goto failed
:proxy
echo vendor ROM: loading \${proxydhcp/filename} from \${proxydhcp/next-server} (proxy)
chain tftp://\${proxydhcp/next-server}/\${proxydhcp/filename} || goto failed
:failed
echo vendor ROM: no boot file
exit 1
`;
}
