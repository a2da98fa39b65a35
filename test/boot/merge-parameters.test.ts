import t from 'tap';
import { mergeParameters } from '../../src/boot/merge-parameters.ts';

t.test('later parameters override earlier ones, in maps key by key', async (t) => {
  const role = { a: 1, list: [1, 2], map: { on: false, deep: { x: 1, y: 2 } }, text: { no: 'map' } };
  const rule = { a: 2, list: [3], map: { on: true } };
  const machine = { map: { deep: { y: 3 } }, text: 'now', more: null };
  t.strictSame(mergeParameters(role, rule, undefined, machine), {
    a: 2,
    list: [3],
    map: { on: true, deep: { x: 1, y: 3 } },
    text: 'now',
    more: null,
  });
  t.strictSame(role.map, { on: false, deep: { x: 1, y: 2 } }, 'what is merged stays as it was');
});

t.test('a map that is emptied stays as it was, one that becomes null is gone', async (t) => {
  t.strictSame(mergeParameters({ map: { a: 1 } }, { map: {} }), { map: { a: 1 } });
  t.strictSame(mergeParameters({ map: { a: 1 } }, { map: null }), { map: null });
  t.strictSame(mergeParameters({ map: null }, { map: { a: 1 } }), { map: { a: 1 } });
});

t.test('names of what every object has are names like others', async (t) => {
  const merged = mergeParameters({ a: 1 }, JSON.parse('{"constructor": {"x": 1}, "__proto__": {"y": 1}}'));
  t.equal((merged as { y?: unknown }).y, undefined);
  t.strictSame(merged['constructor'], { x: 1 });
});
