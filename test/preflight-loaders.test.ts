import t from 'tap';
import type { Config } from '../src/config/port.ts';
import type { Role } from '../src/machine/role.ts';
import { checkProxyLoaders } from '../src/preflight-loaders.ts';
import { testRole } from './http/start-test-server.ts';

type Loaders = Readonly<Record<string, string>>;

function warningsOf(mode: Config['dhcp']['mode'], loaders: Loaders, ofRole?: Loaders): readonly string[] {
  const config = {
    file: 'tinderbox.yaml',
    dhcp: { mode },
    loaders: new Map(Object.entries(loaders)),
  } as unknown as Config;
  const role: Role = { ...testRole(), loaders: new Map(Object.entries(ofRole ?? {})) };
  return checkProxyLoaders(config, { roles: new Map([[role.name, role]]) }).map(
    ({ severity, file, message }) => `${severity} ${file} ${message}`,
  );
}

t.test('in proxy mode a GRUB that comes by TFTP is warned of, with its file', async (t) => {
  const shim = { 'uefi-x64': 'shimx64.efi' };
  t.match(warningsOf('proxy', shim), [/^warning tinderbox\.yaml loaders: .*GRUB of shimx64\.efi/]);
  t.match(warningsOf('proxy', {}, shim), [/^warning \/profiles\/worker\/role\.yaml role worker: /]);
  t.match(warningsOf('proxy', { 'uefi-arm64': 'debian/grubaa64.efi' }), [/debian\/grubaa64\.efi/]);
});

t.test(
  'nothing is said where there is one server, where iPXE boots, and where GRUB comes by HTTP',
  async (t) => {
    t.same(warningsOf('server', { 'uefi-x64': 'shimx64.efi' }), []);
    t.same(warningsOf('off', { 'uefi-x64': 'grubx64.efi' }), []);
    t.same(warningsOf('proxy', { 'uefi-x64': 'ipxe.efi' }, { bios: 'undionly.kpxe' }), []);
    t.same(warningsOf('proxy', { 'uefi-x64-http': 'grubx64.efi' }), []);
  },
);
