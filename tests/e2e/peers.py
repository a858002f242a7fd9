# SPDX-License-Identifier: 0BSD
"""Other people's mail servers, run from directories of the test's own.

A Postfix instance needs the package installed and root; what conflicts with it as a package (Exim,
OpenSMTPD) is fetched with `apt-get download` and unpacked under build/peers/, not installed.  Where
that is impossible the test is skipped, saying so.  Beside lib.py; not a suite of its own.
"""

import fcntl
import glob
import os
import pwd
import signal
import socket
import subprocess
import unittest

import lib

PEERS = os.path.join(lib.TOP, "build", "peers")


def require_root(what):
    if not lib.IS_ROOT:
        raise unittest.SkipTest("%s is started as root" % what)


def require_account(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise unittest.SkipTest("there is no account %s" % name) from None


# ---- packages that are not installed ---------------------------------------------------------------


def unpack(package, *needed):
    """Directory under which this Debian package is unpacked, and `needed`, which it needs and which
    may be missing here, beside it.  Fetched once."""
    apt, dpkg = lib.peer("apt-get"), lib.peer("dpkg")
    directory = os.path.join(PEERS, package)
    os.makedirs(PEERS, exist_ok=True)
    with open(directory + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in (package, *needed):
            done = os.path.join(directory, ".%s.unpacked" % name)
            if os.path.exists(done):
                continue
            download(apt, dpkg, name, directory)
            with open(done, "w", encoding="ascii"):
                pass
    return directory


def download(apt, dpkg, name, directory):
    fetched = os.path.join(directory, ".fetched")
    os.makedirs(fetched, exist_ok=True)
    # Root's download is tried as an account that may not write there.
    done = subprocess.run([apt, "-q", "-o", "APT::Sandbox::User=root", "download", name], cwd=fetched,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=300)
    files = glob.glob(os.path.join(fetched, glob.escape(name) + "_*.deb"))
    if done.returncode != 0 or not files:
        last = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
        raise unittest.SkipTest("cannot fetch %s: %s" % (name, last))
    subprocess.run([dpkg, "-x", files[0], directory], check=True)


def library_path(directory):
    """Where the unpacked libraries are, for LD_LIBRARY_PATH."""
    return ":".join(sorted(glob.glob(os.path.join(directory, "usr/lib/*-linux-*"))))


# ---- Postfix ---------------------------------------------------------------------------------------

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {path}/queue
data_directory = {path}/data
maillog_file = {path}/log
maillog_file_prefixes = {path}
myhostname = mx.local.example
mydestination =
local_recipient_maps =
relay_domains = local.example, virtual.example, team.example
relay_transport = discard
default_transport = discard
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1001
smtpd_client_connection_count_limit = 0
smtp_dns_support_level = disabled
alias_maps =
alias_database =
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
discard unix - - n - - discard
error unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix of the test's own in the directory `path`: an SMTP server on .port that discards
    what it accepts.  `main` are further lines of main.cf.  Starting one takes seconds: let the
    tests of a file share it."""

    def __init__(self, path, *main):
        require_root("Postfix")
        account = require_account("postfix")
        self.postfix = lib.peer("postfix")
        self.path = path
        self.port = lib.free_port(socket.SOCK_STREAM)
        for directory in ("queue", "data"):
            os.makedirs(os.path.join(path, directory), mode=0o755)
        os.chown(os.path.join(path, "data"), account.pw_uid, -1)
        self.write("main.cf", MAIN_CF + "".join(line + "\n" for line in main))
        self.write("master.cf", MASTER_CF)
        self.run("start")
        lib.wait_until(lambda: lib.accepts(self.port), 60, "Postfix serving")

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as f:
            f.write(text.format(path=self.path, port=self.port))

    def run(self, command):
        done = subprocess.run([self.postfix, "-c", self.path, command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, check=False)
        if done.returncode != 0:
            raise AssertionError("postfix %s: exit %d\n%s%s" % (
                command, done.returncode, done.stdout, self.log()))

    def log(self):
        try:
            with open(os.path.join(self.path, "log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stop(self):
        """Its master process ends all others with it."""
        try:
            with open(os.path.join(self.path, "queue", "pid", "master.pid"), encoding="ascii") as f:
                pid = int(f.read())
            os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            return
        lib.wait_until(lambda: not lib.accepts(self.port), 30, "Postfix gone")
