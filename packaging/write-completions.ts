import { type DescribedCommand, type DescribedOption, flatten } from './read-commands.ts';

/** Name of the shell → the text of its completion, made from the commands of the program. */
export function writeCompletions(
  program: DescribedCommand,
): Readonly<Record<'bash' | 'zsh' | 'fish', string>> {
  return { bash: writeBash(program), zsh: writeZsh(program), fish: writeFish(program) };
}

const nameOf = ({ path }: DescribedCommand): string => path.slice(path.lastIndexOf(' ') + 1);

/** Words that may follow: commands, then options. */
const wordsOf = (command: DescribedCommand): string =>
  [...command.commands.map(nameOf), ...command.options.flatMap(({ flags }) => flags)].join(' ');

function writeBash(program: DescribedCommand): string {
  const commands = flatten(program);
  const values = new Map<string, DescribedOption>();
  for (const { options } of commands)
    for (const option of options)
      for (const flag of option.flags) if (option.takesValue) values.set(flag, option);
  const choices = commands.flatMap(({ path, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map((option) => {
        const patterns = option.flags.map((flag) => `"${path} ${flag}"`).join(' | ');
        return `    ${patterns})\n      COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$word"))\n      return\n      ;;`;
      }),
  );
  return `# bash completion for tinderbox; made from the program itself.
# shellcheck disable=SC2207
_tinderbox() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} chain=tinderbox index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$chain \${COMP_WORDS[index]}" in
${commands
  .slice(1)
  .map(({ path }) => `      '${path}') chain='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$chain $before" in
${choices.join('\n')}
  esac
  case "$before" in
    ${[...values.keys()].toSorted().join(' | ')})
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen -f -- "$word"))
      return
      ;;
  esac
  case "$chain" in
${commands
  .map((command) => `    '${command.path}') COMPREPLY=($(compgen -W '${wordsOf(command)}' -- "$word")) ;;`)
  .join('\n')}
  esac
}
complete -F _tinderbox tinderbox
`;
}

/** zsh can run what bash's completion says. */
function writeZsh(program: DescribedCommand): string {
  const cases = flatten(program).map((command) => {
    const words = wordsOf(command).replaceAll("'", '');
    return `    '${command.path}') compadd -- ${words} ;;`;
  });
  return `#compdef tinderbox
# Made from the program itself.
_tinderbox() {
  local chain=tinderbox index
  for ((index = 2; index < CURRENT; index++)); do
    case "$chain \${words[index]}" in
${flatten(program)
  .slice(1)
  .map(({ path }) => `      '${path}') chain='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$chain" in
${cases.join('\n')}
  esac
  [[ \${words[CURRENT]} == -* ]] || _files
}
_tinderbox "$@"
`;
}

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function writeFish(program: DescribedCommand): string {
  const lines = flatten(program).flatMap((command) => {
    const path = command.path.split(' ').slice(1);
    const conditions = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const when = path.length === 0 ? '__fish_use_subcommand' : conditions.join('; and ');
    return [
      ...command.commands.map(
        (each) =>
          `complete -c tinderbox -n ${quote(when)} -f -a ${nameOf(each)} -d ${quote(each.description)}`,
      ),
      ...command.options.map((option) => {
        const flags = option.flags.map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        );
        const value =
          option.choices.length > 0
            ? ` -x -a ${quote(option.choices.join(' '))}`
            : option.takesValue
              ? ' -r'
              : '';
        return `complete -c tinderbox -n ${quote(when)} ${flags.join(' ')}${value} -d ${quote(option.description)}`;
      }),
    ];
  });
  return `# Made from the program itself.\n${lines.join('\n')}\n`;
}
