import { readLabels } from '../boot/read-labels.ts';
import { printable } from '../document/printable.ts';
import { formatIpv4 } from '../machine/ipv4.ts';
import { type Answer, type BootRequest, originOf, type RouteDeps } from './answer.ts';
import { KNOWN_NAMES } from './parse-boot-query.ts';
import { grubPlace } from './script-language.ts';

/**
 * `GET /boot.ipxe`, `autoexec.ipxe` and `grub.cfg`: the script that asks for the machine's own one, iPXE's with the labels
 * that this question has. Whose request it is only its address tells.
 */
export function answerBootScript(
  deps: RouteDeps,
  request: BootRequest,
  query: Readonly<Record<string, unknown>>,
  language: 'ipxe' | 'grub' = 'ipxe',
): Answer {
  const mac = request.remote === undefined ? undefined : deps.journal.macAt(request.remote);
  const { url, address } = request.server;
  const text =
    language === 'grub'
      ? deps.grub.bootstrap(grubPlace(request.server))
      : deps.renderer.bootstrapScript({
          url,
          labels: readLabels(query, KNOWN_NAMES, printable).labels,
          ...(deps.syslog === true ? { syslog: formatIpv4(address) } : {}),
        });
  deps.journal.record({
    ...originOf(deps, request),
    kind: 'http.boot-script',
    outcome: 'answered',
    answered: language === 'grub' ? 'the bootstrap script for GRUB' : 'the bootstrap script',
    reasons: [
      mac === undefined ? 'no machine is known at this address' : 'the address is that of this machine',
    ],
    ...(mac === undefined ? {} : { mac }),
  });
  return { status: 200, text };
}
