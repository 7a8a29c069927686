"""Real name servers on loopback for tests: knotd is the authority, unbound the resolver.

    with dns_fixture.start(tmpdir, {"them.example": "@ MX 10 mx1\\nmx1 A 127.0.0.2"}) as dns:
        dns.resolver                     # "127.0.0.1:40123", to be used as [dns] servers
        dns.set_zone("them.example", "@ MX 0 .")     # seen by the next question to the resolver
        dns.remove_zone("them.example")              # NXDOMAIN from now on

A zone is given as lines of a zone file, relative to its name; SOA and NS records are added, and the
TTL is 60 seconds where none is written ($TTL 1 suits zones that change under a relay that caches).
What no zone has does not exist (NXDOMAIN). Always there:

    drop.test       the resolver says nothing (time-out)
    refused.test    REFUSED
    servfail.test   SERVFAIL: the authority has lost the zone's file
    tcponly.test    the authority answers over TCP only (TC on each datagram); `@ MX 10 mx`

`fake` is a server that answers whatever it is told to, to everything: see FakeServer.

On its own, `dns_fixture.py ZONEFOLDER` serves each FOLDER/NAME.zone, prints one line
"ready resolver=... authority=..." and ends with its standard input.
"""

import ctypes
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PEERS = pathlib.Path(__file__).resolve().parents[2] / "build" / "peers" / "bin"
READY_SECONDS = 20
A, NS, SOA, MX, AAAA = 1, 2, 6, 15, 28
SPECIAL_ZONES = {"tcponly.test": "@ MX 10 mx\nmx A 192.0.2.1"}

KNOT_CONF = """
server:
    listen: 127.0.0.1@{port}
    rundir: {folder}
    background-workers: 1
    udp-workers: 1
    tcp-workers: 1
database:
    storage: {folder}
log:
  - target: {folder}/knotd.log
    any: info
mod-noudp:
  - id: always
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    journal-content: none
zone:
{zones}
"""

UNBOUND_CONF = """
server:
    interface: 127.0.0.1@{port}
    do-ip6: no
    num-threads: 1
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    logfile: "{folder}/unbound.log"
    module-config: "iterator"
    root-hints: ""
    do-not-query-localhost: no
    qname-minimisation: no
    edns-buffer-size: 1232
    local-zone: "test." nodefault
    local-zone: "drop.test." deny
    local-zone: "refused.test." refuse
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {folder}/unbound.sock
stub-zone:
    name: "."
    stub-addr: 127.0.0.1@{authority_port}
"""


class DnsFixtureError(Exception):
    """Says what is missing and what to do."""


def find_program(name):
    """The unpacked one of tests/tools/fetch_peers.sh, else the installed one."""
    path = shutil.which(name, path=f"{PEERS}:/usr/sbin:/usr/bin:/sbin:/bin")
    if not path:
        raise DnsFixtureError(
            f"{name} is missing: run tests/tools/fetch_peers.sh build/peers (as ./dev test does), "
            "or install the Debian packages knot and unbound."
        )
    return path


def free_port():
    """A port that nobody uses now, neither over UDP nor over TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            with socket.socket() as tcp:
                try:
                    tcp.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue


def wire_name(name):
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def query(endpoint, name, qtype, seconds=1.0):
    """Asks once over UDP. Gives the reply's bytes, or None if none came in time."""
    host, port = endpoint.rsplit(":", 1)
    query_id = random.getrandbits(16)
    packet = struct.pack("!6H", query_id, 0x0100, 1, 0, 0, 0) + wire_name(name)
    packet += struct.pack("!2H", qtype, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(seconds)
        udp.connect((host, int(port)))
        try:
            udp.send(packet)
            while True:
                reply = udp.recv(4096)
                if len(reply) >= 12 and reply[:2] == packet[:2]:
                    return reply
        except OSError:
            return None


def rcode_of(reply):
    return reply[3] & 15


def _die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class FakeServer(threading.Thread):
    """Answers every datagram with what `mode` makes of it; may be changed at any time.

    formerr, notimp, servfail, refused, nxdomain: that rcode.  garbage: random bytes behind a good
    id.  empty: a datagram of 0 bytes.  wrong_id, wrong_question: an answer to something else.
    silence: nothing.
    """

    RCODES = {"formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5}

    def __init__(self, mode="servfail"):
        super().__init__(daemon=True)
        self.mode = mode
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.endpoint = "127.0.0.1:%d" % self._socket.getsockname()[1]

    def run(self):
        while True:
            try:
                packet, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if not packet:  # our own close()
                return
            self.asked += 1
            reply = self._reply(packet)
            if reply is not None:
                self._socket.sendto(reply, peer)

    def _reply(self, packet):
        name_end = packet.index(b"\0", 12) + 1
        question = packet[12 : name_end + 4]

        def header(query_id, rcode):
            return query_id + struct.pack("!5H", 0x8180 | rcode, 1, 0, 0, 0)

        if self.mode in self.RCODES:
            return header(packet[:2], self.RCODES[self.mode]) + question
        if self.mode == "garbage":
            return packet[:2] + random.randbytes(60)
        if self.mode == "empty":
            return b""
        if self.mode == "wrong_id":
            return header(bytes([packet[0] ^ 1, packet[1]]), 3) + question
        if self.mode == "wrong_question":
            return header(packet[:2], 3) + wire_name("other.example") + question[-4:]
        return None

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"", self._socket.getsockname())
        self.join()
        self._socket.close()


class Dns:
    """See the module's documentation. Made by start()."""

    def __init__(self, folder, zones):
        self._folder = pathlib.Path(folder)
        self._processes = []
        self._zones = {}
        self._serial = 1
        self._knot = None
        self._fake = None
        for program in ("knotd", "unbound", "unbound-control"):
            find_program(program)
        try:
            self._start({**SPECIAL_ZONES, **zones})
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def fake(self):
        if self._fake is None:
            self._fake = FakeServer()
            self._fake.start()
        return self._fake

    def set_zone(self, name, text):
        self._write_zone(name, text)
        self._reload()

    def remove_zone(self, name):
        del self._zones[name]
        self._reload()
        self._wait_until("knotd", lambda: self._serial_of(name) is None)
        self._flush()

    def close(self):
        if self._fake is not None:
            self._fake.close()
            self._fake = None
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _start(self, zones):
        self._folder.mkdir(parents=True, exist_ok=True)
        authority_port = free_port()
        self.authority = f"127.0.0.1:{authority_port}"
        self._write_zone(".", "")
        for name, text in zones.items():
            self._write_zone(name, text)
        self._write_knot_conf()
        self._knot = self._spawn("knotd", "-c", str(self._folder / "knot.conf"))
        self._wait_until("knotd", self._authority_is_current)

        port = free_port()
        self.resolver = f"127.0.0.1:{port}"
        conf = UNBOUND_CONF.format(folder=self._folder, port=port, authority_port=authority_port)
        (self._folder / "unbound.conf").write_text(conf)
        self._spawn("unbound", "-d", "-c", str(self._folder / "unbound.conf"))
        self._wait_until("unbound", lambda: query(self.resolver, ".", SOA, 0.2) is not None)

    def _spawn(self, program, *arguments):
        path = find_program(program)
        log = open(self._folder / f"{program}.out", "wb")
        process = subprocess.Popen(
            [path, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=_die_with_parent,
        )  # fmt: skip
        log.close()
        self._processes.append(process)
        return process

    def _wait_until(self, program, condition):
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            dead = [process for process in self._processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                what = "has ended" if dead else f"is not ready after {READY_SECONDS} s"
                logs = "".join(
                    path.read_text(errors="replace")[-2000:]
                    for path in sorted(self._folder.glob(f"{program}.*"))
                    if path.suffix in (".out", ".log")
                )
                raise DnsFixtureError(f"{program} {what}:\n{logs}")
            time.sleep(0.01)

    def _write_zone(self, name, text):
        """Every change gets a serial number of its own, which tells when the authority has it."""
        self._serial += 1
        dot = "" if name == "." else "."
        soa = f"@ SOA ns.{name}{dot} hostmaster.{name}{dot} {self._serial} 3600 600 86400 60"
        head = f"$ORIGIN {name}{dot}\n$TTL 60\n{soa}\n@ NS ns\nns A 127.0.0.1\n"
        if name == ".":
            head = head.replace("ns..", "ns.").replace("hostmaster..", "hostmaster.")
        self._zones[name] = self._serial
        file = self._folder / self._file_of(name)
        file.write_text(head + text + "\n")

    @staticmethod
    def _file_of(name):
        return ("root" if name == "." else name) + ".zone"

    def _write_knot_conf(self):
        zones = ""
        for name in self._zones:
            zones += f"  - domain: {name}\n    file: {self._folder}/{self._file_of(name)}\n"
            if name == "tcponly.test":
                zones += "    module: mod-noudp\n"
        zones += f"  - domain: servfail.test\n    file: {self._folder}/there-is-no-such.file\n"
        conf = KNOT_CONF.format(
            folder=self._folder, port=self.authority.rsplit(":", 1)[1], zones=zones
        )
        (self._folder / "knot.conf").write_text(conf)

    def _authority_is_current(self):
        return all(
            name == "tcponly.test" or self._serial_of(name) == serial
            for name, serial in self._zones.items()
        )

    def _serial_of(self, zone):
        """The serial in the authority's SOA record; None if it does not answer with one."""
        reply = query(self.authority, zone, SOA, 0.2)
        if reply is None or rcode_of(reply) != 0 or struct.unpack("!H", reply[6:8])[0] != 1:
            return None
        # One answer with nothing behind it but additional data: serial and four more numbers end
        # the record's data, whose length stands ten bytes behind its owner's name.
        at = 12 + len(wire_name(zone)) + 4
        at += 2 if reply[at] & 0xC0 else len(wire_name(zone))
        (size,) = struct.unpack("!H", reply[at + 8 : at + 10])
        data_end = at + 10 + size
        return struct.unpack("!I", reply[data_end - 20 : data_end - 16])[0]

    def _reload(self):
        self._write_knot_conf()
        self._knot.send_signal(signal.SIGHUP)
        self._wait_until("knotd", self._authority_is_current)
        self._flush()

    def _flush(self):
        """The resolver forgets all answers."""
        for command in (("flush_zone", "."), ("flush_infra", "all")):
            subprocess.run(
                [find_program("unbound-control"), "-c", str(self._folder / "unbound.conf"), *command],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip


def start(tmpdir, zones):
    """Gives a Dns, ready to be asked; a context manager."""
    for attempts_left in (2, 1, 0):
        try:
            return Dns(pathlib.Path(tmpdir) / "dns", zones)
        except DnsFixtureError:
            # Somebody may have taken a port between our look and the server's bind.
            if attempts_left == 0:
                raise
    raise AssertionError("unreachable")


def main():
    zones = {path.name.removesuffix(".zone"): path.read_text()
             for path in pathlib.Path(sys.argv[1]).glob("*.zone")}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="posthouse-dns-") as folder:
        try:
            with start(folder, zones) as dns:
                print(f"ready resolver={dns.resolver} authority={dns.authority}", flush=True)
                sys.stdin.read()
        except DnsFixtureError as error:
            print("failed", str(error).replace("\n", " | "), flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
