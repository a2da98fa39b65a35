import t from 'tap';
import { accountName, accountNumber, askGetent } from '../../src/config/ask-getent.ts';

t.test('accounts are found by name and by number', async (t) => {
  t.match(await askGetent('passwd', '0'), ['root', /.*/, '0', '0', /.*/, '/root']);
  t.equal(await accountName('passwd', 0), 'root');
  t.equal(await accountNumber('group', 'root'), 0);
});

t.test('an account that this host does not know keeps its number, and has none by its name', async (t) => {
  t.equal(await askGetent('passwd', 'nobody-has-this-name'), undefined);
  t.equal(await accountName('group', 3_999_999_999), '3999999999');
  t.equal(await accountNumber('passwd', 'nobody-has-this-name'), undefined);
  t.equal(await accountNumber('passwd', '0'), undefined, 'digits are no name');
});
