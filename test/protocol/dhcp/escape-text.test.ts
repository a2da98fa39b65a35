import t from 'tap';
import { escapeText } from '../../../src/protocol/dhcp/escape-text.ts';

const texts = [
  { name: 'plain text', text: 'PXEClient:Arch:00007', escaped: 'PXEClient:Arch:00007' },
  { name: 'trailing NULs', text: 'iPXE\0\0', escaped: 'iPXE' },
  { name: 'controls', text: 'a\x1b[2J\r\n\x7f', escaped: 'a\\x1b[2J\\x0d\\x0a\\x7f' },
  { name: 'quotes and backslashes', text: '"\\', escaped: '\\x22\\x5c' },
  { name: 'beyond ASCII', text: '\u00e9\u0085', escaped: '\\xe9\\x85' },
  { name: 'exactly the most', text: 'x'.repeat(30), escaped: 'x'.repeat(30) },
  { name: 'one more', text: 'x'.repeat(31), escaped: `${'x'.repeat(27)}...` },
  { name: 'an escape that does not fit', text: `${'x'.repeat(28)}\x01`, escaped: `${'x'.repeat(27)}...` },
  { name: 'nothing', text: '', escaped: '' },
];

t.test("a stranger's text is shown without its controls, and not all of it", async (t) => {
  for (const { name, text, escaped } of texts)
    t.equal(escapeText(Buffer.from(text, 'latin1'), 30), escaped, name);
});
