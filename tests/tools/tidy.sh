#!/usr/bin/env bash
# clang-tidy on one file: tidy.sh BUILD_FOLDER DEPTH FILE. Clang's thread safety analysis is part of it. What was clean
# is remembered, so that only changes cost time: first by the hashes of all files that were read (milliseconds), then by
# the preprocessed file with its comments (a header may have been touched in vain). The settings, this script and the
# tool's version are part of both. DEPTH is the static analyzer's: deep follows calls and takes three times as long as
# shallow; what was clean deep is clean.
set -euo pipefail
build=$1
depth=$2
file=$3
cache=${XDG_CACHE_HOME:-$HOME/.cache}/posthouse-tidy
mkdir -p "$cache"
hash_of() { sha256sum | cut -d ' ' -f 1; }

settings=$({
  clang-tidy-19 --version
  cat .clang-tidy tests/.clang-tidy bench/.clang-tidy "$0"
} | hash_of)
read_files=$cache/$({
  printf '%s\n' "$settings" "$file"
  cat "$file"
} | hash_of).read
for known in deep "$depth"; do
  if [[ -e $read_files.$known ]] && sha256sum --check --status "$read_files.$known" 2>/dev/null; then exit 0; fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stamp=$cache/$({
  printf '%s\n' "$settings"
  clang++-19 -std=c++23 -I. -E -C -Wno-everything -MD -MF "$work/dependencies" -MT file "$file"
} | hash_of)

remember() { # remember DEPTH: the hashes of all that was read
  local files
  mapfile -t files < <(sed -e 's/^file://' -e 's/\\$//' "$work/dependencies" | tr -s ' ' '\n' | sed '/^$/d' | sort -u)
  sha256sum -- "${files[@]}" >"$work/read"
  mv "$work/read" "$read_files.$1"
}

for known in deep "$depth"; do
  if [[ -e $stamp.$known ]]; then
    remember "$known"
    exit 0
  fi
done
options=(--quiet -p "$build")
for argument in -Wno-unknown-warning-option -Wthread-safety -Werror=thread-safety \
  -Xclang -analyzer-config -Xclang "mode=$depth"; do
  options+=("--extra-arg=$argument")
done
if found=$(clang-tidy-19 "${options[@]}" "$file" 2>&1); then
  : >"$stamp.$depth"
  remember "$depth"
else
  printf '%s\nclang-tidy: %s\n' "$(sed '/^[0-9]* warnings\? generated/d' <<<"$found")" "$file"
  exit 1
fi
