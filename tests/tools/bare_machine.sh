#!/usr/bin/env bash
# The proof that nothing needs to be typed but ./dev: makes a bare Debian 12 in a folder (debootstrap, minbase), clones
# the present commit into it and runs the command there, in a chroot with its own mounts. Runs as root.
#   bare_machine.sh run    until the relay listens, then stops it
#   bare_machine.sh test   ./dev test
# BARE=FOLDER (default: build/bare) is made anew, unless KEEP=yes.
set -euo pipefail
export LC_ALL=C.UTF-8

what=${1:-run}
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
bare=${BARE:-$here/build/bare}

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

mirror_of_this_machine() { # the first source of Debian itself that apt uses here
  local uri
  # shellcheck disable=SC2016  # apt expands it
  uri=$(apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE)' 2>/dev/null |
    awk '$1 == "Packages" && $3 == "bookworm" {print $2; exit}')
  [[ -n $uri ]] || uri=$(grep -rhoE 'https?://[^ ]+' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
    grep -E '/debian/?$' | head -n 1)
  printf '%s' "$uri"
}

unmount() {
  if mountpoint -q "$bare"; then umount -R -l "$bare"; fi
}

make_machine() {
  local mirror
  mirror=$(mirror_of_this_machine)
  [[ -n $mirror ]] || { printf 'no Debian mirror in the configuration of apt\n' >&2; exit 1; }
  rm -rf --one-file-system "$bare"
  mkdir -p "$bare"
  say "debootstrap bookworm into $bare"
  debootstrap --variant=minbase bookworm "$bare" "$mirror" >"$bare.log" 2>&1 || { tail -n 20 "$bare.log" >&2; exit 1; }
  # How this machine reaches its mirrors is this machine's business, and the bare one's as well.
  cp -r /etc/apt/apt.conf.d/. "$bare/etc/apt/apt.conf.d/"
  cp --dereference /etc/resolv.conf "$bare/etc/resolv.conf"
  cp /etc/hosts "$bare/etc/hosts"
}

clone() { # a clone made here: a bare machine has no git
  rm -rf "$bare/home/posthouse"
  git -c safe.directory='*' clone -q "file://$here" "$bare/home/posthouse"
  say "cloned $(git -C "$bare/home/posthouse" log -1 --format='%h %s')"
}

inside() { # becomes the command
  exec chroot "$bare" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root JOBS="${JOBS:-$(nproc)}" "$@"
}

is_listening() { (exec 3<>/dev/tcp/127.0.0.1/2525 && read -r line <&3 && [[ $line == 220* ]]) 2>/dev/null; }

run_until_it_listens() {
  local began=$SECONDS job
  is_listening && { printf 'port 2525 is taken: stop what listens there\n' >&2; exit 1; }
  (inside /home/posthouse/dev run) >"$bare.run.log" 2>&1 &
  job=$!
  until is_listening; do
    kill -0 "$job" 2>/dev/null || { tail -n 40 "$bare.run.log" >&2; printf './dev run ended\n' >&2; exit 1; }
    sleep 1
  done
  say "./dev run listens on 127.0.0.1:2525 after $((SECONDS - began)) s"
  kill -TERM "$job"
  wait "$job" && say 'stopped with exit status 0'
}

trap unmount EXIT
[[ ${KEEP:-no} == yes && -x $bare/bin/sh ]] || make_machine
clone
# As on a machine of its own, its root is a mount.
mount --bind "$bare" "$bare"
mount --make-private "$bare"
mount -t proc proc "$bare/proc"
mount --rbind /dev "$bare/dev"
mount --make-rslave "$bare/dev"
case $what in
  run) run_until_it_listens ;;
  test) (inside /home/posthouse/dev test) ;;
  *) printf 'run or test, not %s\n' "$what" >&2; exit 2 ;;
esac
