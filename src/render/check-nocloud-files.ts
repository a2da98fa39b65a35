import type { Problem } from '../errors.ts';
import { isMap } from './check-cloud-init.ts';
import { textProblem } from './render-text.ts';
import { readRenderedYaml } from './rendered-yaml.ts';

/** What is wrong with a rendered meta-data. */
export function checkMetaData(body: string, file: string): readonly Problem[] {
  const read = readRenderedYaml(body, file, { aliases: true });
  if (read.problems.length > 0) return read.problems;
  const { value } = read;
  if (!isMap(value)) return [textProblem(file, 'meta-data is a YAML map')];
  const problems: Problem[] = [];
  const id = value['instance-id'];
  if ((typeof id !== 'string' && typeof id !== 'number') || id === '') {
    // Without one it is `nocloud` on every machine and at every boot, and what is kept on a disk is configured once for ever.
    problems.push(
      read.problemAt(['instance-id'], 'meta-data has no `instance-id`; write instance-id: {{bootId}}'),
    );
  }
  for (const key of ['local-hostname', 'dsmode', 'seedfrom']) {
    const given = value[key];
    if (given !== undefined && typeof given !== 'string')
      problems.push(read.problemAt([key], `\`${key}\` must be text: put it in quotes`));
  }
  return problems;
}

const V2_GROUPS = [
  'ethernets',
  'wifis',
  'modems',
  'bonds',
  'bridges',
  'vlans',
  'tunnels',
  'vrfs',
  'dummy-devices',
];

/** What is wrong with a rendered network-config, version 1 or 2 (netplan). */
export function checkNetworkConfig(body: string, file: string): readonly Problem[] {
  const read = readRenderedYaml(body, file, { aliases: true });
  if (read.problems.length > 0) return read.problems;
  const { value } = read;
  if (!isMap(value)) return [textProblem(file, 'network-config is a YAML map')];
  if (value['config'] === 'disabled') return [];
  if (isMap(value['network']) && value['version'] === undefined) {
    // cloud-init 22.4 stops at it: "Unknown network config version: None".
    return [read.problemAt(['network'], 'leave out `network:`: its content stands here without it')];
  }
  switch (value['version']) {
    case 1:
      return checkFirst(value['config'], read.problemAt);
    case 2: {
      const groups = V2_GROUPS.filter((group) => value[group] !== undefined);
      if (groups.length === 0)
        return [textProblem(file, `network-config has none of ${V2_GROUPS.join(', ')}`)];
      return groups
        .filter((group) => !isMap(value[group]))
        .map((group) => read.problemAt([group], `\`${group}\` must be a map`));
    }
    default:
      return [read.problemAt(['version'], 'network-config wants `version: 1` or `version: 2`')];
  }
}

function checkFirst(
  config: unknown,
  problemAt: ReturnType<typeof readRenderedYaml>['problemAt'],
): readonly Problem[] {
  if (!Array.isArray(config))
    return [problemAt(['config'], 'network-config version 1 wants a list `config`')];
  return config.flatMap((entry: unknown, index) =>
    isMap(entry) && typeof entry['type'] === 'string'
      ? []
      : [problemAt(['config', index], 'an entry of `config` has no `type`')],
  );
}
