import t from 'tap';
import { evaluateConditions, rangeApplies } from '../../src/http/evaluate-conditions.ts';

t.test('a date is one of the three that HTTP has, and nothing else', async (t) => {
  const now = { etag: '"abc-1"', lastModified: Date.UTC(2026, 10, 27, 12) };
  for (const date of [
    'Fri, 27 Nov 2026 12:00:00 GMT',
    'Friday, 27-Nov-26 12:00:00 GMT',
    'Fri Nov 27 12:00:00 2026',
  ]) {
    t.ok(rangeApplies(date, now), date);
    t.equal(evaluateConditions({ 'if-modified-since': date }, now), 304, date);
  }
  for (const none of ['W/27Nov26 12:', 'W/"abc-1"', '2026-11-27T12:00:00Z', '27 Nov 2026 12:00', '1']) {
    t.notOk(rangeApplies(none, now), none);
    t.equal(evaluateConditions({ 'if-modified-since': none }, now), 'proceed', none);
  }
});
