#!/usr/bin/env bash
# Gives one test server a root folder of its own (hard links to the unpacked packages, its own /etc, spool and users)
# and becomes that server in it. Runs as root; mail is delivered as user `vmail`, who has the tester's own number.
#   server_root.sh PEERS INSTANCE ETC UID COMMAND...
# PEERS: what fetch_peers.sh made; INSTANCE: the folder to make; ETC: files that are copied to its /etc.
set -euo pipefail
peers=$1
root=$2
etc=$3
uid=$4
shift 4

cp -al "$peers/root" "$root"
chmod 755 "$root"
chown -R 0:0 "$root/etc" "$root/var" "$root/run"
cp -r --remove-destination "$etc/." "$root/etc/"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 444 "$root/dev/urandom" c 1 9
mknod -m 444 "$root/dev/random" c 1 8
[[ -e $root/var/run ]] || ln -s ../run "$root/var/run"
chmod 1777 "$root/tmp" "$root/var/tmp"

cat >"$root/etc/passwd" <<USERS
root:x:0:0:root:/:/bin/sh
postfix:x:981:981::/var/spool/postfix:/bin/false
Debian-exim:x:$uid:985::/var/spool/exim4:/bin/false
opensmtpd:x:983:983::/run/empty:/bin/false
opensmtpq:x:984:984::/run/empty:/bin/false
vmail:x:$uid:985::/var/mail:/bin/sh
nobody:x:65534:65534::/nonexistent:/bin/false
USERS
cat >"$root/etc/group" <<GROUPS
root:x:0:
postfix:x:981:
Debian-exim:x:985:
opensmtpd:x:983:
opensmtpq:x:984:
vmail:x:985:
postdrop:x:986:
nogroup:x:65534:
GROUPS
chmod 644 "$root/etc/passwd" "$root/etc/group"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$root/etc/resolv.conf"

install -d -m 755 -o "$uid" -g 985 "$root/var/mail/all"
install -d -m 755 "$root/run/empty" "$root/run/lock" "$root/var/lib/opensmtpd/empty"
# Postfix: what `postfix start` would make.
install -d -m 755 "$root/var/spool/postfix" "$root/var/spool/postfix/pid" "$root/var/log"
for queue in active bounce corrupt defer deferred flush hold incoming private saved trace; do
  install -d -m 700 -o 981 "$root/var/spool/postfix/$queue"
done
install -d -m 730 -o 981 -g 986 "$root/var/spool/postfix/maildrop"
install -d -m 710 -o 981 -g 986 "$root/var/spool/postfix/public"
install -d -m 755 -o 981 -g 981 "$root/var/lib/postfix"
# Exim and OpenSMTPD.
install -d -m 750 -o "$uid" -g 985 "$root/var/spool/exim4" "$root/var/log/exim4"
install -d -m 711 "$root/var/spool/smtpd"

exec chroot "$root" "$@"
