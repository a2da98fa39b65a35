import { parse } from 'node:querystring';
import { type GeneratedFile, generatedFile } from '../boot/generated-files.ts';
import type { GrubTransport } from '../render/grub-text.ts';
import type { Answer, BootRequest, RouteDeps } from './answer.ts';
import { answerBootScript } from './boot-script.ts';
import { answerMachineScript } from './machine-script.ts';
import type { PlanMemory } from './plan-memory.ts';
import { grubLanguage } from './script-language.ts';

const REFUSED_SECONDS = 30;
/** More names than that no loader of ours asks with. */
const MOST_NAMES = 40;

/**
 * What no file is there for, by TFTP as by HTTP. A GRUB always gets a script with status 200, also where the answer is
 * no: 2.12 runs the text of an error as if it were one (seen). Undefined: there is nothing to be made.
 */
export async function answerGenerated(
  deps: RouteDeps,
  plans: PlanMemory,
  request: BootRequest,
  file: GeneratedFile,
  transport: GrubTransport,
): Promise<Answer | undefined> {
  switch (file.kind) {
    case 'optional':
      return undefined;
    case 'ipxe-bootstrap':
      return answerBootScript(deps, request, {});
    case 'grub-bootstrap':
      return answerBootScript(deps, request, {}, 'grub');
    case 'grub-script': {
      const language = grubLanguage(deps, request, transport);
      const query = { ...parse(file.query, '&', '=', { maxKeys: MOST_NAMES }) };
      const answer = await answerMachineScript(deps, plans, request, query, language);
      if (answer.status === 200) return answer;
      const message = String(answer.text);
      return { status: 200, text: language.refusal({ message, seconds: REFUSED_SECONDS }) };
    }
  }
}

/** The file that a request's target names outside of our own routes, below `/assets/ipxe/` too. */
export function generatedByTarget(target: string): GeneratedFile | undefined {
  const [path = '', ...query] = target.split('?');
  const name = path.replace(/^\/assets\/ipxe\/+/, '/').slice(1);
  return generatedFile(query.length === 0 ? name : `${name}?${query.join('?')}`);
}
