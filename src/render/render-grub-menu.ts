import type { MenuBoot } from '../machine/role.ts';
import { type GrubPlace, type GrubTransport, grubPath, grubText, grubWord } from './grub-text.ts';

export interface GrubMenuInput {
  readonly menu: MenuBoot;
  /** `52:54:00:12:34:56 is node-1, role menu`. */
  readonly who: string;
  readonly place: GrubPlace;
  readonly transport: GrubTransport;
}

/**
 * GRUB shows a menu only of a file that `configfile` reads: the script asks for itself once more that way, and is the
 * menu then. An entry that the time chose and that fails leads back to the loop that asks; one that a person chose, to
 * the menu.
 */
export function grubMenuLines({ menu, who, place, transport }: GrubMenuInput): readonly string[] {
  const ask = `"${grubPath('/grub.cfg', transport, place)}?$tinderbox_query`;
  const entries = menu.choices.flatMap(({ role, label, key }) => [
    `  menuentry ${grubWord(label)} --id ${role}${key === undefined ? '' : ` --hotkey=${key}`} {`,
    `    echo ${grubText(`the choice is ${role}`)}`,
    `    source ${ask}&choice=${role}"`,
    `  }`,
  ]);
  return [
    // An operator's own GRUB that asked at once knows no question yet.
    `if [ -z "$tinderbox_loop" ]; then source ${grubWord(grubPath('/grub.cfg', transport, place))}; fi`,
    `if [ -z "$tinderbox_menu" ]; then`,
    `  echo ${grubText(who)}`,
    `  set tinderbox_menu=1`,
    `  export tinderbox_menu`,
    `  export tinderbox_loop`,
    `  export tinderbox_query`,
    `  configfile ${ask}"`,
    `  set tinderbox_menu=`,
    `else`,
    `  set default=${menu.default}`,
    ...(menu.timeout === 'off' ? [] : [`  set timeout=${menu.timeout}`, `  set timeout_style=menu`]),
    ...entries,
    `fi`,
  ];
}
