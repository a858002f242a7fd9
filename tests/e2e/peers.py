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
import tempfile
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
    return ":".join([os.path.join(directory, "usr/lib"),
                     *sorted(glob.glob(os.path.join(directory, "usr/lib/*-linux-*")))])


def with_account(test, name, uid):
    """Words to put before a program so that it finds this account, of this uid and gid, without a
    home, shell or password.  Needs root where the account is not there anyway."""
    if name in [entry.pw_name for entry in pwd.getpwall()]:
        return []
    files = {}
    for file, line in (("passwd", "%s:x:%d:%d::/nonexistent:/bin/false\n" % (name, uid, uid)),
                       ("group", "%s:x:%d:\n" % (name, uid))):
        files[file] = test.at("%s.with.%s" % (file, name))
        with open("/etc/" + file, encoding="utf-8") as old:
            text = old.read()
        lib.write_atomically(files[file], text + line)
    words = lib.in_namespace(files["passwd"])
    script = 'mount --bind "$0" /etc/group && exec "$@"'
    return [*words, "sh", "-c", script, files["group"]]


# ---- Exim ------------------------------------------------------------------------------------------

EXIM_UID = 61900
EXIM_NOWHERE = """\
  driver = appendfile
  file = /dev/null
  user = nobody
"""
EXIM_CONF = """\
primary_hostname = mx.local.example
spool_directory = {path}/spool
log_file_path = {path}/log/%slog
domainlist ours = local.example : virtual.example : team.example
qualify_domain = local.example
host_lookup =
rfc1413_hosts =
rfc1413_query_timeout = 0s
queue_only = true
smtp_accept_max = 50
smtp_accept_max_per_host = 50
smtp_max_synprot_errors = 100
smtp_max_unknown_commands = 100
recipients_max = 1000
tls_advertise_hosts =
allow_domain_literals = true
acl_smtp_rcpt = acl_rcpt
acl_smtp_predata = acl_predata
{options}
begin acl
{acl}
begin routers
all:
  driver = accept
  transport = nowhere
begin transports
nowhere:
{transport}begin retry
"""


def exim_program(test, weight="heavy"):
    """(words, environment) that run Debian's exim4-daemon-heavy or -light, as the account it wants."""
    require_root("Exim")
    needed = ["libgnutls-dane0", "libunbound8"] + {"heavy": ["libspf2-2"], "light": []}[weight]
    package = unpack("exim4-daemon-" + weight, *needed)
    words = [*with_account(test, "Debian-exim", EXIM_UID), os.path.join(package, "usr/sbin/exim4")]
    environment = {"LD_LIBRARY_PATH": library_path(package)}
    code, out, err = test.run_program([*words, "-C", "/dev/null", "-bV"], environment)
    if code != 0:
        raise unittest.SkipTest("Exim does not run here: " + (out + err).strip())
    return words, environment


class Exim:
    """Debian's exim4-daemon-heavy, or -light, as an SMTP server on .port; `acl` is the text of its
    ACLs acl_rcpt and acl_predata.  It queues what it accepts; with the lines of a `transport`
    run_queue() delivers it there."""

    def __init__(self, test, acl, options="", weight="heavy", transport=None):
        program, environment = exim_program(test, weight)
        self.path = tempfile.mkdtemp(prefix="exim-", dir=test.dir)
        os.chmod(self.path, 0o755)
        self.port = lib.free_port(socket.SOCK_STREAM)
        uid = EXIM_UID if len(program) > 1 else pwd.getpwnam("Debian-exim").pw_uid
        for directory in ("spool", "log"):
            os.makedirs(os.path.join(self.path, directory))
            os.chown(os.path.join(self.path, directory), uid, -1)
        conf = os.path.join(self.path, "conf")
        lib.write_atomically(conf, EXIM_CONF.format(
            path=self.path, acl=acl, options=options, transport=transport or EXIM_NOWHERE))
        program = [*program, "-C", conf]
        self.test, self.program, self.environment = test, program, environment
        self.process = test.start([*program, "-bdf", "-oX", "127.0.0.1.%d" % self.port],
                                  environment, lambda: lib.accepts(self.port), name="exim")

    def run_queue(self):
        code, out, err = self.test.run_program([*self.program, "-qf"], self.environment)
        self.test.assertEqual(code, 0, out + err)

    def log(self):
        try:
            with open(os.path.join(self.path, "log", "mainlog"), encoding="latin-1") as f:
                return f.read()
        except FileNotFoundError:
            return ""


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
        try:
            self.run("start")
            lib.wait_until(lambda: lib.accepts(self.port), 60, "Postfix serving")
        except BaseException:
            self.stop()
            raise

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


# ---- PostgreSQL ------------------------------------------------------------------------------------


class Postgres:
    """A PostgreSQL server on a Unix socket in a directory of the test's own, run as nobody.
    stop() and start() as often as wanted."""

    def __init__(self, test):
        self.test = test
        self.path = test.at("pg")
        os.makedirs(self.path)
        os.chmod(self.path, 0o777)
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            raise unittest.SkipTest("PostgreSQL is not installed")
        self.bin = os.path.dirname(found[-1])
        self.psql = lib.peer("psql")
        self.wrap = []
        if lib.IS_ROOT:
            self.wrap = [lib.peer("setpriv"), "--reuid=" + lib.NOBODY, "--regid=65534",
                         "--clear-groups"]
        code, out, err = test.run_program(
            [*self.wrap, os.path.join(self.bin, "initdb"), "-D", os.path.join(self.path, "data"),
             "-N", "-U", "mail", "-A", "trust", "--locale=C", "-E", "UTF8"], cwd=self.path)
        test.assertEqual(code, 0, out + err)
        self.process = None
        self.start()

    def start(self):
        self.process = self.test.start(
            [*self.wrap, os.path.join(self.bin, "postgres"), "-D", os.path.join(self.path, "data"),
             "-k", self.path, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
             "max_connections=20"],
            ready=lambda: self.feed("SELECT 1;", check=False), cwd=self.path, name="postgres")

    def stop(self):
        """At once, with all connections."""
        self.process.stop(signal.SIGQUIT)

    def feed(self, text, check=True):
        code, _, err = self.test.run_program(
            [self.psql, "-q", "-X", "-v", "ON_ERROR_STOP=1", "-h", self.path, "-U", "mail", "-d",
             "postgres"], input=text.encode(), cwd=self.path)
        if check:
            self.test.assertEqual(code, 0, err)
        return code == 0

    def table(self, name, query, **more):
        """The configuration of a pgsql: table; its path."""
        path = self.test.at(name)
        lines = {"hosts": "unix:" + self.path, "user": "mail", "dbname": "postgres", "query": query}
        lines.update(more)
        lib.write_atomically(path, "".join("%s = %s\n" % item for item in lines.items()))
        return path
