import type { MenuBoot } from '../machine/role.ts';
import type { TemplateContext } from './context.ts';
import { echoText } from './ipxe-text.ts';
import { askAgain, askUrl, FAILED_SECONDS, labelQuery, script } from './script-lines.ts';

export interface MenuScriptInput {
  readonly menu: MenuBoot;
  /** Whose menu it is. */
  readonly role: string;
  readonly context: TemplateContext;
  readonly hostname: string;
}

/**
 * A menu (https://ipxe.org/cmd/menu, /cmd/item, /cmd/choose) that goes on to `/ipxe` with `choice=<role>`. When the time is over
 * iPXE picks what is highlighted, and a key stops the clock. A menu that is left by Esc, or that this build cannot show,
 * comes to the default: nobody may be there to help.
 */
export function menuScript({ menu, role, context, hostname }: MenuScriptInput): string {
  const { url } = context.server;
  const { arch, labels } = context.machine;
  const byDefault = menu.choices.find((choice) => choice.role === menu.default);
  const label = echoText(byDefault?.label ?? menu.default);
  return script([
    `echo`,
    `echo Tinderbox: ${echoText(`${context.machine.mac} is ${hostname}, role ${role}`)}`,
    `imgfree ||`,
    `menu ${echoText(menu.title)} || goto default`,
    ...menu.choices.map(
      (choice) =>
        `item ${choice.key === undefined ? '' : `--key ${choice.key} `}${choice.role} ${echoText(choice.label)} ||`,
    ),
    ...(menu.timeout === 'off' ? [] : [`item --gap -- Without a key in ${menu.timeout} s: ${label} ||`]),
    `choose ${menu.timeout === 'off' ? '' : `--timeout ${menu.timeout * 1000} `}--default ${menu.default} choice && goto chosen ||`,
    ``,
    `:default`,
    `set choice ${menu.default}`,
    ``,
    `:chosen`,
    `echo Tinderbox: the choice is \${choice}`,
    `chain --replace --autofree ${askUrl(url, ['choice=${choice}', ...labelQuery(labels)])} ||`,
    `echo Tinderbox: failed: no script of \${choice}, error \${errno}`,
    ...askAgain(url, arch, FAILED_SECONDS, labels),
  ]);
}
