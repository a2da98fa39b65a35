import t from 'tap';
import { listInputs } from './corpus-files.ts';
import { listTargets, loadTarget } from './targets.ts';

/** Every input that was ever worth keeping, at each change: a crasher is a regression test from the day it was found. */
for (const name of listTargets()) {
  t.test(
    `${name}: what must hold does, for every input of its corpus and all that once broke it`,
    async (t) => {
      const target = await loadTarget(name);
      const inputs = [
        ...target.seeds().map((bytes, index) => ({ name: `seed ${index}`, bytes })),
        ...listInputs('corpus', name),
        ...listInputs('crashers', name),
      ];
      t.ok(inputs.length > 0, 'there is something to begin with');
      for (const { name: input, bytes } of inputs) {
        try {
          await target.run(bytes);
        } catch (error) {
          t.error(error, input);
        }
      }
    },
  );
}

t.test('a target says what it is, and nothing it begins with is too long for it', async (t) => {
  const names = listTargets();
  t.ok(names.length >= 15);
  for (const name of names) {
    const { what, aims, maxLength, seeds } = await loadTarget(name);
    t.match(what, /^[a-z].{20,}/, name);
    t.ok(aims.length > 0, name);
    for (const seed of seeds()) t.ok(seed.length <= maxLength, `${name}: a seed of ${seed.length} bytes`);
  }
});
