"""`cmake --install` into a staging folder, as a packager does it."""

import os
import re
import subprocess

import pytest
from harness.posthouse import BINARY, CHECKOUT

BUILD = BINARY.parent


def install(folder, *arguments):
    result = subprocess.run(["cmake", "--install", BUILD, *arguments], env={**os.environ, "DESTDIR": str(folder)},
                            capture_output=True, text=True, timeout=60)  # fmt: skip
    assert result.returncode == 0, result.stderr
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# A prefix of its own keeps its configuration below it; /usr and /usr/local have it in /etc.
@pytest.mark.parametrize("prefix,etc", [("/usr/local", "/etc"), ("/usr", "/etc"), ("/opt/mail", "/opt/mail/etc")])
def test_everything_lands_where_it_should_and_the_unit_says_so(tmp_path, prefix, etc):
    files = install(tmp_path, "--prefix", prefix)
    below = prefix.lstrip("/")
    documents = f"{below}/share/doc/posthouse"
    examples = {f"{documents}/examples/{path.name}" for path in (CHECKOUT / "conf" / "examples").iterdir()}
    assert files == examples | {
        f"{below}/sbin/posthouse", f"{below}/share/man/man8/posthouse.8", f"{below}/share/man/man5/posthouse.toml.5",
        f"{below}/share/man/man7/posthouse-api.7",
        f"{below}/share/man/man7/posthouse-metrics.7",
        f"{documents}/README.md", f"{documents}/LICENSE", f"{documents}/posthouse.toml",
        f"{below}/lib/systemd/system/posthouse.service", f"{below}/lib/sysusers.d/posthouse.conf",
        f"{below}/lib/tmpfiles.d/posthouse.conf", f"{etc.lstrip('/')}/posthouse/posthouse.toml",
    }  # fmt: skip
    unit = (tmp_path / below / "lib/systemd/system/posthouse.service").read_text()
    start = re.search(r"^ExecStart=(\S+) serve --config (\S+)$", unit, re.MULTILINE)
    assert start.groups() == (f"{prefix}/sbin/posthouse", f"{etc}/posthouse/posthouse.toml")
    for path in start.groups():
        assert (tmp_path / path.lstrip("/")).is_file(), path
    program = tmp_path / below / "sbin/posthouse"
    assert subprocess.run([program, "--version"], capture_output=True, timeout=30).stdout.startswith(b"posthouse ")
    assert program.stat().st_mode & 0o777 == 0o755
    # The user of the unit is made by sysusers, the spool's folder by tmpfiles or the unit itself.
    user = re.search(r"^User=(\S+)$", unit, re.MULTILINE)[1]
    assert re.search(rf"^u!? {user} ", (tmp_path / below / "lib/sysusers.d/posthouse.conf").read_text(), re.MULTILINE)
    folders = (tmp_path / below / "lib/tmpfiles.d/posthouse.conf").read_text()
    assert re.search(rf"^d /var/lib/posthouse 0700 {user} ", folders, re.MULTILINE), folders


def test_the_installed_configuration_is_valid_and_a_changed_one_is_kept(tmp_path):
    install(tmp_path, "--prefix", "/usr")
    config = tmp_path / "etc/posthouse/posthouse.toml"
    check = subprocess.run([tmp_path / "usr/sbin/posthouse", "check", "--config", config], capture_output=True,
                           text=True, timeout=30)  # fmt: skip
    assert check.returncode == 0, check.stdout + check.stderr
    config.write_text("# ours\n")
    install(tmp_path, "--prefix", "/usr")
    assert config.read_text() == "# ours\n"
