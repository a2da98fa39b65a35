/** The thread that fuzzes one target: V8 counts by thread, and a target that hangs or eats memory ends alone. */
import { parentPort, workerData } from 'node:worker_threads';
import { ROOT, readInputs } from '../corpus-files.ts';
import { loadTarget } from '../targets.ts';
import { rootUrl, startCoverage } from './coverage.ts';
import { openWindow } from './input-window.ts';
import { runFuzz } from './run-fuzz.ts';
import type { FromWorker, WorkerOrder } from './worker-messages.ts';

/** Milliseconds between two lines of progress. */
const PAUSE = 1_000;

const order = workerData as WorkerOrder;
const port = parentPort;
const send = (message: FromWorker): void => {
  port?.postMessage(message);
};

const { aims } = order;
const coverage = startCoverage(rootUrl(ROOT), aims);
const target = await loadTarget(order.target);
// What loading runs is no input's doing.
coverage.believe(coverage.look());
const window = openWindow(order.window);
const started = performance.now();
let said = started;

const result = await runFuzz(target, {
  seed: order.seed,
  corpus: [...readInputs('corpus', order.target), ...readInputs('crashers', order.target)],
  coverage,
  isOver: (executions) =>
    (order.runs !== undefined && executions >= order.runs) ||
    performance.now() - started >= order.milliseconds,
  onInput: window.show,
  onProgress: (progress) => {
    if (performance.now() - said < PAUSE) return;
    said = performance.now();
    send({ kind: 'progress', progress });
  },
  onFinding: (finding) => send({ kind: 'finding', finding }),
});
window.clear();
send({ kind: 'done', result, seconds: (performance.now() - started) / 1000 });
