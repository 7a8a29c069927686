#!/usr/bin/env bash
# clang-tidy on one file: tidy.sh BUILD_FOLDER FILE. What it found clean is remembered under a hash of all that it
# read (the preprocessed file, its comments, the settings, the tool's version), so that only changes cost time.
set -euo pipefail
build=$1
file=$2
cache=${XDG_CACHE_HOME:-$HOME/.cache}/posthouse-tidy
mkdir -p "$cache"
key=$({
  clang-tidy-19 --version
  cat .clang-tidy tests/.clang-tidy bench/.clang-tidy
  clang++-19 -std=c++23 -I. -E -C -Wno-everything "$file"
} | sha256sum)
stamp=$cache/${key%% *}
if [[ -e $stamp ]]; then exit 0; fi
if found=$(clang-tidy-19 --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option "$file" 2>&1); then
  : >"$stamp"
else
  printf '%s\nclang-tidy: %s\n' "$(sed '/^[0-9]* warnings\? generated/d' <<<"$found")" "$file"
  exit 1
fi
