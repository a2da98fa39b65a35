import type { ExplainView } from '../admin/explain-api.ts';
import { describeOnce } from '../boot/describe-once.ts';
import { formatAge } from '../boot/format-age.ts';
import { formatLabels } from '../boot/read-labels.ts';
import { formatProblem } from '../errors.ts';
import { STAGES } from '../machine/stage.ts';
import { formatStage } from './format-machine-table.ts';
import { formatEvent, formatTime, plain } from './format-timeline.ts';

/** Lines of a script that are shown. */
const SCRIPT_LINES = 12;

/** An explanation for people: a heading for each question, its answer, and why. */
export function formatExplanation(view: ExplainView, now: number): string {
  const parts = [
    section('role', describeAssignment(view), view.assignment.reasons),
    section('decision', `${view.decision}: ${view.message}`, view.reasons),
    describeBootfile(view),
    ...describeDhcp(view),
    ...view.problems.map((problem) => section('problem', formatProblem(problem), [])),
    ...describePreview(view),
    describeSession(view, now),
  ];
  return `${[describeMachine(view, now), ...parts].join('\n')}\n`;
}

function describeMachine({ mac, machine, preview }: ExplainView, now: number): string {
  if (machine === undefined) return `${mac}  never seen`;
  const parts = [
    preview?.hostname ?? machine.hostname,
    machine.address,
    machine.arch,
    [machine.manufacturer, machine.product].filter((part) => part !== undefined).join(' '),
    machine.serial === undefined ? undefined : `serial ${machine.serial}`,
    formatLabels(machine.labels),
    `last seen ${formatAge(now - machine.lastSeen)} ago`,
    machine.via === undefined ? undefined : `on ${machine.via}`,
  ];
  return [mac, ...parts.filter((part) => part !== undefined && part !== '')]
    .map((part) => plain(part ?? ''))
    .join('  ');
}

function describeAssignment({ assignment }: ExplainView): string {
  const { from, role = 'none', once, hostname, address, file, line } = assignment;
  const place = line === undefined ? file : `${file}:${line}`;
  const extras = [
    ...(once === undefined ? [] : [describeOnce(once, formatTime)]),
    ...(hostname === undefined ? [] : [`hostname ${hostname}`]),
    ...(address === undefined ? [] : [`address ${address}`]),
  ];
  const source =
    from === 'none'
      ? 'nothing gives it one'
      : from === 'once'
        ? 'from once: of its entry'
        : `from the ${from}`;
  return [`${role}, ${source} (${place})`, ...extras].join(', ');
}

function describeBootfile({ bootfile }: ExplainView): string {
  if (bootfile === undefined)
    return section(
      'boot file',
      'depends on its firmware, which is not known: --arch uefi-x64 shows that one',
      [],
    );
  const { architecture, file, reasons } = bootfile;
  return section('boot file', `${file ?? 'none'} for ${architecture}`, reasons);
}

function describeDhcp({ dhcp }: ExplainView): readonly string[] {
  const { mode, interface: name, answers, note } = dhcp;
  const where = name === undefined ? '' : ` on ${name}`;
  return [
    section('DHCP now', `${mode} mode${where}`, note === undefined ? [] : [note]),
    ...answers.map(({ asked, answer, reasons }) =>
      section('', `${asked}: ${answer === '' ? 'no answer' : answer}`, reasons),
    ),
  ];
}

function describePreview({ preview }: ExplainView): readonly string[] {
  if (preview === undefined) return [];
  const lines = preview.script.trimEnd().split('\n');
  const shown = lines.slice(0, SCRIPT_LINES).map(plain);
  const more = lines.length - shown.length;
  const size = preview.config === undefined ? 'none' : `${Buffer.byteLength(preview.config)} bytes`;
  return [
    section(
      'script',
      `${lines.length} lines (--only script prints it)`,
      [],
      [...shown, ...(more > 0 ? [`… ${more} more`] : [])],
    ),
    section(
      'configuration',
      preview.config === undefined ? size : `${size} (--only config prints it)`,
      (preview.files ?? []).map(({ path, text }) => `${path}: ${Buffer.byteLength(text)} bytes`),
    ),
  ];
}

function describeSession(view: ExplainView, now: number): string {
  const { session, lastEvent, diagnosis } = view;
  const last =
    lastEvent === undefined ? [] : formatEvent(lastEvent, session?.openedAt ?? lastEvent.at).split('\n');
  if (session === undefined) return section('last boot', 'it has not booted from the network yet', [], last);
  const { stageTimes, openedAt } = session;
  const reached = STAGES.flatMap((stage) => {
    const at = stageTimes[stage];
    return at === undefined ? [] : [`${stage} +${((at - openedAt) / 1000).toFixed(1)}s`];
  });
  const why =
    diagnosis === undefined
      ? []
      : [`${diagnosis.name}: ${diagnosis.title}`, ...diagnosis.evidence, `→ ${diagnosis.remedy}`].map(plain);
  return section(
    'last boot',
    `session ${session.id}, opened ${formatTime(openedAt)}: ${formatStage(session, now)}`,
    why,
    [
      reached.join(', '),
      ...(last.length === 0 ? [] : ['the newest event:', ...last.map((line) => line.trimStart())]),
    ],
  );
}

/**
 *     role           worker, from the default (machines.yaml)
 *                    why: …
 */
function section(
  title: string,
  text: string,
  reasons: readonly string[],
  block: readonly string[] = [],
): string {
  const margin = ' '.repeat(15);
  return [
    `${title.padEnd(15)}${text.split('\n').map(plain).join(`\n${margin}`)}`,
    ...block.map((line) => `${margin}  ${line}`),
    ...reasons.map((reason, index) => `${margin}${index === 0 ? 'why: ' : '     '}${plain(reason)}`),
  ].join('\n');
}
