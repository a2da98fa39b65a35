import t from 'tap';
import { chooseHostname } from '../../src/boot/choose-hostname.ts';
import { MAC } from '../support/make-request.ts';

t.test(
  'a machine is named by the last digits of its MAC, by more of them where the name is taken',
  async (t) => {
    const names = ['node-123456', 'node-00123456', 'node-5400123456', 'node-525400123456'];
    for (const [index, name] of names.entries()) {
      const taken = new Set(names.slice(0, index));
      t.equal(
        chooseHostname(MAC, (hostname) => taken.has(hostname)),
        name,
      );
    }
    t.equal(
      chooseHostname(MAC, () => true),
      'node-525400123456',
      'the whole MAC is its own',
    );
  },
);
