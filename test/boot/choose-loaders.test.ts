import t from 'tap';
import { chooseBootfile, DEFAULT_LOADERS, packageOf } from '../../src/boot/choose-bootfile.ts';
import { chooseLoaders, explainClaim, joinLoaders, SHIMS } from '../../src/boot/choose-loaders.ts';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { NO_USES } from '../../src/machine/once.ts';
import type { Role } from '../../src/machine/role.ts';
import { makeCatalog } from '../support/make-environment.ts';
import { makeRequest, type RequestShape } from '../support/make-request.ts';
import { makeRole } from '../support/make-role.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const secure: Role = { ...makeRole('secure'), loaders: SHIMS };
const plain = makeRole('plain');
const roles = new Map([secure, plain].map((role) => [role.name, role]));

t.test('secureBoot stands for the shim of each UEFI architecture', (t) => {
  t.same([...joinLoaders(true, undefined).loaders], [...SHIMS]);
  t.same([...joinLoaders(undefined, { bios: 'x.kpxe' }).loaders], [['bios', 'x.kpxe']]);
  t.same([...joinLoaders(false, {}).loaders], []);
  t.end();
});

t.test('two loaders that claim an architecture are found', (t) => {
  const rows: readonly (readonly [
    secureBoot: boolean,
    loaders: Record<string, string>,
    claimed: readonly string[],
  ])[] = [
    [true, { 'uefi-x64': 'snponly.efi' }, ['uefi-x64']],
    [true, { 'uefi-x64-http': 'snponly.efi' }, ['uefi-x64-http']],
    [true, { 'uefi-x64': 'snponly.efi', 'uefi-arm64': 'a.efi' }, ['uefi-x64', 'uefi-arm64']],
    [true, { 'uefi-x64': 'shimx64.efi' }, []],
    [true, { bios: 'ipxe.pxe', 'uefi-arm32': 'a.efi', 'raspberry-pi': 'b' }, []],
    [false, { 'uefi-x64': 'snponly.efi' }, []],
  ];
  for (const [secureBoot, loaders, claimed] of rows) {
    t.same(joinLoaders(secureBoot, loaders).claimed, claimed, JSON.stringify(loaders));
  }
  t.equal(
    explainClaim('uefi-x64-http', 'snponly.efi'),
    'two loaders claim uefi-x64-http: snponly.efi, and by secureBoot shimx64.efi',
  );
  t.end();
});

function choose(request: RequestShape, configured: Record<string, string> = {}) {
  const client = identifyClient(makeRequest(request)).client as NetworkClient;
  return chooseBootfile({
    client,
    loaders: new Map([...DEFAULT_LOADERS, ...Object.entries(configured)]),
    roleLoaders: () =>
      chooseLoaders(
        { mac: MAC },
        makeCatalog([{ mac: MAC, role: 'secure', parameters: {}, line: 2 }], { roles }),
        NO_USES,
      ),
    isPresent: () => true,
    serverUrl: 'http://10.77.0.1',
  });
}

const pxe = (architecture: number): RequestShape => ({
  vendorClass: 'PXEClient',
  architectures: [architecture],
});

t.test("the loaders of a machine's role win over tinderbox.yaml's, and the reasons say so", (t) => {
  const configured = { 'uefi-x64': 'ipxe.efi', 'uefi-x64-http': 'http.efi' };
  t.match(choose(pxe(7), configured), {
    kind: 'file',
    value: 'shimx64.efi',
    reasons: [
      'PXEClient',
      /option 93/,
      'machines.yaml:2 gives 52:54:00:12:34:56 the role secure',
      'the role secure has a loader of its own',
      'UEFI x64 boots shimx64.efi',
    ],
  });
  t.match(choose({ vendorClass: 'HTTPClient', architectures: [16] }, configured), {
    value: 'http://10.77.0.1/assets/ipxe/shimx64.efi',
  });
  t.match(choose(pxe(11)), { value: 'shimaa64.efi' });
  t.match(choose(pxe(0)), { value: 'undionly.kpxe' }, 'a BIOS has no Secure Boot');
  t.end();
});

t.test('a role without loaders, and a machine without a role, have none', (t) => {
  t.equal(chooseLoaders({ mac: MAC }, makeCatalog([], { roles, defaultRole: 'plain' }), NO_USES), undefined);
  t.equal(chooseLoaders({ mac: MAC }, makeCatalog([], { roles }), NO_USES), undefined);
  t.match(chooseLoaders({ mac: MAC }, makeCatalog([], { roles, defaultRole: 'secure' }), NO_USES), {
    role: 'secure',
  });
  t.end();
});

t.test('a missing loader is told with the package that has it', (t) => {
  for (const [file, name] of [
    ['shimx64.efi', 'shim-signed'],
    ['grubx64.efi', 'grub-efi-amd64-signed'],
    ['grubaa64.efi', 'grub-efi-arm64-signed'],
    ['snponly.efi', 'ipxe'],
  ] as const)
    t.equal(packageOf(file), name);
  t.end();
});
