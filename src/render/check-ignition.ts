import { type CheckOptions, checkDisks } from './check-ignition-disks.ts';
import { checkNodes } from './check-ignition-nodes.ts';
import { checkPasswd } from './check-ignition-passwd.ts';
import { checkResource } from './check-ignition-resource.ts';
import { checkIgnitionUnits } from './check-ignition-units.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import { findRepeated } from './find-repeated.ts';
import type { IgnitionConfig } from './ignition-config.ts';

/**
 * What is wrong with an Ignition config whose fields have the right types: all that Ignition itself refuses at boot
 * (its config/v3_*\/types), when the machine is down and nobody sees why, and what it takes although it cannot work.
 * Paths are spelled as in the JSON. No message quotes a value that may be secret.
 */
export function checkIgnition(config: IgnitionConfig, minor: number): readonly ConfigProblem[] {
  const options: CheckOptions = { minor };
  return [
    ...checkHead(config, minor),
    ...checkNodes(config, minor),
    ...checkDisks(config.storage ?? {}, options),
    ...checkIgnitionUnits(config.systemd?.units ?? []),
    ...checkPasswd(config.passwd ?? {}),
    ...checkKernelArguments(config),
  ];
}

const at = (...path: ConfigProblem['path']) => ['ignition', ...path];

function checkHead({ ignition }: IgnitionConfig, minor: number): readonly ConfigProblem[] {
  const { config = {}, security, proxy = {} } = ignition;
  const authorities = security?.tls?.certificateAuthorities ?? [];
  const merge = config.merge ?? [];
  const needed = { minor, isNeeded: true };
  return [
    ...merge.flatMap((one, index) => checkResource(one, at('config', 'merge', index), needed)),
    ...(config.replace === undefined ? [] : checkResource(config.replace, at('config', 'replace'), needed)),
    ...authorities.flatMap((one, index) =>
      checkResource(one, at('security', 'tls', 'certificateAuthorities', index), needed),
    ),
    ...findRepeated(merge, ({ source }) => source, at('config', 'merge'), 'source'),
    ...findRepeated(
      authorities,
      ({ source }) => source,
      at('security', 'tls', 'certificateAuthorities'),
      'source',
    ),
    ...findRepeated(proxy.noProxy ?? [], (host) => host, at('proxy', 'noProxy')),
    ...(['httpProxy', 'httpsProxy'] as const)
      .filter((name) => (proxy[name] ?? '') !== '' && !/^https?:\/\/[^/\s]/.test(proxy[name] ?? ''))
      .map((name) => ({
        path: at('proxy', name),
        message: 'a proxy is an http:// or https:// URL',
      })),
  ];
}

function checkKernelArguments({ kernelArguments = {} }: IgnitionConfig): readonly ConfigProblem[] {
  return (['shouldExist', 'shouldNotExist'] as const).flatMap((name) => {
    const path = ['kernelArguments', name];
    const values = kernelArguments[name] ?? [];
    return [
      ...findRepeated(values, (value) => value, path),
      ...values.flatMap((value, index) =>
        value.trim() === '' ? [{ path: [...path, index], message: 'a kernel argument is empty' }] : [],
      ),
    ];
  });
}
