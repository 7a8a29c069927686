#!/usr/bin/env bash
# Unpacks the mail and DNS servers that the tests talk to into FOLDER/root, without installing them: Postfix, Exim and
# OpenSMTPD exclude each other as packages, and an installed server starts by itself. FOLDER/root is complete enough for
# chroot(2); FOLDER/bin has wrappers for the programs that need none.
#   fetch_peers.sh FOLDER
set -euo pipefail
export LC_ALL=C.UTF-8

mkdir -p "$1"
folder=$(cd "$1" && pwd)
servers=(postfix exim4-daemon-light exim4-base opensmtpd unbound knot dash netbase)
wrapped=(usr/sbin/smtp-source usr/sbin/smtp-sink usr/sbin/unbound usr/sbin/unbound-checkconf usr/sbin/unbound-control
  usr/sbin/knotd usr/sbin/knotc usr/sbin/keymgr)
# What the libraries drag in, and no server here needs.
unneeded='^lib(perl|python[0-9.]+-|python3-|systemd-shared|cryptsetup|devmapper|debian-installer|newt)'
unneeded+='|^lib(pam-modules|gl|llvm)|-perl$'

as_root() { if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo -- "$@"; fi; }

retry_apt() {
  local attempt
  for attempt in 1 2 3; do
    if "$@"; then return 0; fi
    [[ $attempt -lt 3 ]] || return 1
    printf 'fetching the package lists (attempt %d)\n' "$attempt" >&2
    as_root apt-get -q update >&2 || printf 'apt-get update failed\n' >&2
  done
}

closure() { # the servers and every library that they need, one name a line
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    "${servers[@]}" | grep -E '^(lib[a-z0-9]|zlib1g$)' | grep -vE "$unneeded" | sort -u
  printf '%s\n' "${servers[@]}"
}

know_the_servers() { apt-cache show "${servers[@]}" >/dev/null 2>&1; }

download() { # into the current folder, what is not there yet
  local names
  mapfile -t names < <(closure)
  apt-get -q download "${names[@]}" >apt.log 2>&1 || {
    tail -n 5 apt.log >&2
    return 1
  }
}

unpack() { # unpack ROOT: as Debian lays it out today, everything below /usr
  local root=$1 package
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64,lib32,libx32} "$root"/{etc,dev,tmp,run,proc}
  mkdir -p "$root"/var/{lib,log,spool,mail,tmp}
  for package in bin sbin lib lib64 lib32 libx32; do ln -sfn "usr/$package" "$root/$package"; done
  for package in ./*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --no-same-owner --keep-directory-symlink
  done
  chmod -R ug-s "$root" # what is run here is started as root or needs no more rights than its user has
  rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,bug} "$root"/etc/{init.d,cron.daily,logrotate.d}
}

write_wrappers() {
  local program loader
  loader=$(find "$folder/root/usr/lib64" "$folder/root/usr/lib" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)
  mkdir -p "$folder/bin"
  for program in "${wrapped[@]}"; do
    [[ -x $folder/root/$program ]] || continue
    cat >"$folder/bin/${program##*/}" <<WRAPPER
#!/bin/sh
r=$folder/root
for d in "\$r"/usr/lib/*-linux-gnu*; do l=\$d; done
exec $loader --library-path "\$l:\$r/usr/lib/postfix" "\$r/$program" "\$@"
WRAPPER
    chmod +x "$folder/bin/${program##*/}"
  done
}

stamp=$folder/complete
recipe=$(sha256sum <"${BASH_SOURCE[0]}")
if [[ -e $stamp && $(<"$stamp") == "$recipe $folder" ]]; then exit 0; fi
rm -rf "${folder:?}/root" "${folder:?}/bin" "$stamp"
mkdir -p "$folder/packages"
retry_apt know_the_servers
(cd "$folder/packages" && retry_apt download)
(cd "$folder/packages" && unpack ../root)
write_wrappers
printf '%s' "$recipe $folder" >"$stamp"
du -sh "$folder/root" | sed 's/\t.*/ of test servers unpacked/'
