import t from 'tap';
import type { ParameterValue } from '../../src/machine/role.ts';
import { convertGoTemplate } from '../../src/render/convert-go-template.ts';
import { renderTemplate } from '../../src/render/template-engine.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const nameOf = ([name = '', ...more]: readonly string[]): string | undefined => {
  if (name === 'mac') return 'machine.mac';
  if (name === 'os') return '(default machine.labels.os "")';
  return name === 'nothing' ? undefined : ['parameters', name, ...more].join('.');
};

function render(text: string, parameters: { [name: string]: ParameterValue } = {}): string {
  const converted = convertGoTemplate(text, nameOf);
  t.same(converted.notes, [], text);
  const role = roleOf('', parameters);
  return renderTemplate({ file: 'c.hbs', text: converted.text, line: 1 }, contextOf(role));
}

t.test('a template of Go gives with Handlebars what it gave', async (t) => {
  const keys = ['ssh-rsa a', 'ssh-rsa b'];
  const rows: readonly [string, { [name: string]: ParameterValue }, string][] = [
    ['name={{.etcd_name}} {{ .mac }}', { etcd_name: 'node1' }, 'name=node1 52:54:00:12:34:56'],
    ['{{.a.b}}', { a: { b: 'c' } }, 'c'],
    ['{{ if index . "keys" }}yes{{else}}no{{end}}', { keys }, 'yes'],
    ['{{ if index . "keys" }}yes{{else}}no{{end}}', { keys: [] }, 'no'],
    ['{{ if .a }}1{{ else if .b }}2{{ else }}3{{ end }}', { a: false, b: true }, '2'],
    ['{{ range $element := .keys }}- {{$element}};{{end}}', { keys }, '- ssh-rsa a;- ssh-rsa b;'],
    ['{{ range $i, $k := .keys }}{{$i}}={{$k}};{{end}}', { keys }, '0=ssh-rsa a;1=ssh-rsa b;'],
    ['{{ range .keys }}{{.}}@{{$.name}};{{end}}', { keys, name: 'x' }, 'ssh-rsa a@x;ssh-rsa b@x;'],
    [
      '{{ range .users }}{{.name}}{{ if .admin }}!{{end}} {{end}}',
      { users: [{ name: 'a', admin: true }] },
      'a! ',
    ],
    ['{{ with .a }}{{ .b }}{{ end }}', { a: { b: 'c' } }, 'c'],
    ['a  {{- .x -}}  b', { x: '1' }, 'a1b'],
    ['a: |\n{{- range .keys }}\n  {{ . }}\n{{- end }}\nb', { keys }, 'a: |\n  ssh-rsa a\n  ssh-rsa b\nb'],
    [
      'a:\n  {{ range .keys -}}\n  - {{ . }}\n  {{ end -}}\n  b',
      { keys },
      'a:\n  - ssh-rsa a\n  - ssh-rsa b\n  b',
    ],
    ['a\n  {{- .x }}\nb', { x: 1 }, 'a1\nb'],
    ['{{ if eq .x "1" }}one{{ end }}{{ if ne .x "1" }}other{{ end }}', { x: '1' }, 'one'],
    ['{{ if and .x (eq .y 2) }}both{{ end }}', { x: true, y: 2 }, 'both'],
    ['{{/* a -- comment */}}x', {}, 'x'],
    ['[{{ .os }}]', {}, '[]'],
    ['-C {{.a}} \\\n{{- if .b}}-b {{.b}} \\{{end}}\nx', { a: '1', b: '2' }, '-C 1 \\-b 2 \\\nx'],
  ];
  for (const [text, parameters, expected] of rows) t.equal(render(text, parameters), expected, text);
});

t.test('what has no counterpart is said with its line, and stands as a comment', async (t) => {
  const rows: readonly [string, RegExp][] = [
    ['a\nb {{ .x | printf "%s" }}', /a pipeline/],
    ['a\n{{ printf "%s" .x }}', /the function printf/],
    ['a\n{{ template "x" }}', /partials/],
    ['a\n{{ $x := .y }}', /variables/],
    ['a\n{{ .nothing }}', /nothing gives .nothing/],
    ['a\n{{ "{{" }}', /write the text itself/],
    ['a\n{{ $unknown }}', /the variable \$unknown/],
    ['a\n{{ end }}', /no block to end/],
    ['a\n{{ if .x }}', /a block is not ended/],
  ];
  for (const [text, expected] of rows) {
    const { notes } = convertGoTemplate(text, nameOf);
    t.equal(notes[0]?.line, 2, text);
    t.match(notes[0]?.message, expected, text);
  }
  const lost = convertGoTemplate('{{ range seq 3 }}x{{ else }}y{{ end }}z', nameOf);
  t.equal(lost.notes.length, 3);
  const role = roleOf('');
  t.equal(renderTemplate({ file: 'c', text: lost.text, line: 1 }, contextOf(role)), 'xyz');
});

t.test('text that only looks like a template stays text', async (t) => {
  t.equal(render('a \\{ } { {x} }} \\'), 'a \\{ } { {x} }} \\');
  t.equal(render('{{ '.repeat(500)), '{{ '.repeat(500));
});
