#!/usr/bin/env bash
# clang-tidy on one file: tidy.sh BUILD_FOLDER DEPTH FILE. What it found clean is remembered under a hash of all that it
# read (the preprocessed file, its comments, the settings, the tool's version), so that only changes cost time.
# DEPTH is the static analyzer's: deep follows calls and takes three times as long as shallow.
set -euo pipefail
build=$1
depth=$2
file=$3
cache=${XDG_CACHE_HOME:-$HOME/.cache}/posthouse-tidy
mkdir -p "$cache"
key=$({
  clang-tidy-19 --version
  cat .clang-tidy tests/.clang-tidy bench/.clang-tidy
  clang++-19 -std=c++23 -I. -E -C -Wno-everything "$file"
} | sha256sum)
stamp=$cache/${key%% *}
if [[ -e $stamp.deep || -e $stamp.$depth ]]; then exit 0; fi
options=(--quiet -p "$build")
for argument in -Wno-unknown-warning-option -Xclang -analyzer-config -Xclang "mode=$depth"; do
  options+=("--extra-arg=$argument")
done
if found=$(clang-tidy-19 "${options[@]}" "$file" 2>&1); then
  : >"$stamp.$depth"
else
  printf '%s\nclang-tidy: %s\n' "$(sed '/^[0-9]* warnings\? generated/d' <<<"$found")" "$file"
  exit 1
fi
