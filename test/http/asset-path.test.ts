import t from 'tap';
import { parseAssetPath } from '../../src/http/asset-path.ts';

t.test('a shim may double the slash before the loader that it asks for, and nobody else', async (t) => {
  const loader = { kind: 'path', segments: ['ipxe', 'grubx64.efi'] };
  t.same(parseAssetPath('/assets/ipxe//grubx64.efi'), loader);
  t.same(parseAssetPath('/assets/ipxe/grubx64.efi'), loader);
  for (const target of [
    '/assets//ipxe/grubx64.efi',
    '/assets/ipxe///grubx64.efi',
    '/assets/live//vmlinuz',
    '/assets/ipxe//',
    '/assets/ipxe//../x',
  ])
    t.equal(parseAssetPath(target).kind, 'bad', target);
});
