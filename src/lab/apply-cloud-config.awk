# Writes the files of a cloud-config's `write_files`, below `root` (-v root=…; '' for the machine itself). It reads the
# YAML that Tinderbox's templates write, no more: a list of mappings with path, permissions, owner (ignored: everything
# is root's) and content; values are plain, '…', "…" with JSON's escapes, or a block (| |- |+, with or without an
# indentation indicator). Anything else under write_files ends it with 1 and the number of the line, and nothing of that
# entry is written. Other keys of the document are skipped.

BEGIN { state = "out"; failed = 0 }

{ sub(/\r$/, "") }

# A block's lines are content, whatever they look like.
state == "block" {
  blank = ($0 ~ /^ *$/)
  if (!blank && block_indent < 0) {
    if (depth($0) <= parent) { end_block(); state = "in" }
    else block_indent = depth($0)
  }
  if (state == "block") {
    if (blank) { pending = pending (block_indent >= 0 ? substr($0, block_indent + 1) : "") "\n"; next }
    if (depth($0) >= block_indent) { block = block pending substr($0, block_indent + 1) "\n"; pending = ""; next }
    end_block()
    state = "in"
  }
}

/^[ \t]*(#.*)?$/ { next }

# A key of the document itself.
/^[^ -]/ {
  flush_entry()
  state = ($0 ~ /^write_files:[ ]*(#.*)?$/) ? "in" : "out"
  if (state == "out" && $0 ~ /^write_files:/ && $0 !~ /^write_files:[ ]*\[\][ ]*$/) refuse("write_files is no list")
  next
}

state != "in" { next }

{
  line = $0
  if (match(line, /^ *- +/)) {
    flush_entry()
    started = 1
    item_indent = RLENGTH
    line = sprintf("%" RLENGTH "s", "") substr(line, RLENGTH + 1)
  }
  if (!started || depth(line) != item_indent) refuse("unexpected indentation")
  line = substr(line, item_indent + 1)
  if (!match(line, /^[a-z_]+:/)) refuse("no key")
  key = substr(line, 1, RLENGTH - 1)
  if (key !~ /^(path|permissions|owner|content)$/) refuse("unknown key " key)
  value = substr(line, RLENGTH + 1)
  sub(/^ +/, "", value)
  if (value ~ /^\|/) {
    if (value !~ /^\|[1-9]?[-+]?[ ]*(#.*)?$/) refuse("unknown block header")
    block_key = key; block = ""; pending = ""; parent = item_indent
    chomp = value ~ /^\|[1-9]?-/ ? "strip" : value ~ /^\|[1-9]?\+/ ? "keep" : "clip"
    block_indent = value ~ /^\|[1-9]/ ? parent + substr(value, 2, 1) : -1
    state = "block"
    next
  }
  entry[key] = scalar(value)
}

END {
  if (failed) exit 1
  if (state == "block") end_block()
  flush_entry()
}

function depth(text) { match(text, /^ */); return RLENGTH }

function end_block() {
  if (chomp == "strip") sub(/\n$/, "", block)
  if (chomp == "keep") block = block pending
  entry[block_key] = block
}

function scalar(text,   quote) {
  quote = substr(text, 1, 1)
  if (quote == "\"") return double_quoted(text)
  if (quote == "'") return single_quoted(text)
  if (quote ~ /[>&*!{[|%@`]/) refuse("a value that this reader does not know")
  sub(/[ ]+#.*$/, "", text)
  sub(/[ ]+$/, "", text)
  return text
}

function single_quoted(text,   out, rest) {
  rest = substr(text, 2)
  while (match(rest, /'/)) {
    out = out substr(rest, 1, RSTART - 1)
    rest = substr(rest, RSTART + 1)
    if (substr(rest, 1, 1) != "'") { after(rest); return out }
    out = out "'"
    rest = substr(rest, 2)
  }
  refuse("an open quotation")
}

function double_quoted(text,   out, i, c) {
  for (i = 2; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "\"") { after(substr(text, i + 1)); return out }
    if (c != "\\") { out = out c; continue }
    c = substr(text, ++i, 1)
    if (c == "n") out = out "\n"
    else if (c == "t") out = out "\t"
    else if (c == "r") out = out "\r"
    else if (c == "\"" || c == "\\" || c == "/") out = out c
    else refuse("an escape that this reader does not know")
  }
  refuse("an open quotation")
}

# What follows a quoted value: nothing, or a comment.
function after(rest) { if (rest !~ /^[ ]*$/ && rest !~ /^[ ]+#/) refuse("text after a quotation") }

function flush_entry(   file, folder) {
  if (!started) return
  started = 0
  if (entry["path"] !~ /^\//) refuse("an entry without an absolute path")
  if ("permissions" in entry && entry["permissions"] !~ /^0?[0-7][0-7][0-7]$/) refuse("permissions " entry["permissions"])
  file = root entry["path"]
  folder = file
  sub(/\/[^\/]*$/, "", folder)
  if (folder != "") run("mkdir -p " quoted(folder))
  # With the caller's umask a secret is never open to others, not even for a moment.
  printf "%s", entry["content"] > file
  close(file)
  run("chmod " ("permissions" in entry ? entry["permissions"] : "0644") " " quoted(file))
  split("", entry)
}

function quoted(text) { gsub(/'/, "'\\''", text); return "'" text "'" }

function run(command) { if (system(command) != 0) refuse("cannot: " command) }

function refuse(why) {
  if (!failed) print "line " NR ": " why > "/dev/stderr"
  failed = 1
  exit 1
}
