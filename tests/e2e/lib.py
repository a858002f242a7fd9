# SPDX-License-Identifier: 0BSD
"""Fixtures of the end-to-end tests: qmail trees, daemons, verifiers that misbehave, SMTP sessions.

Standard library only.  A test class derives from E2eTest, asks it for what it needs, and everything
it got (processes, sockets, directories) is gone when the test ends; what the processes logged is
shown when it fails.  Nothing sleeps for readiness: what is waited for is asked.  Traffic stays on
loopback, ports are taken below the system's own range so that tests can run side by side.

Run one file with `tests/run e2e/NAME`, or `python3 tests/e2e/NAME.py` from anywhere.
"""

import os
import random
import re
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("QV_BUILD", "build"))
IS_ROOT = os.geteuid() == 0
# An account without rights that every system has, for daemons started as root.
NOBODY = "nobody"
# Numbers for mailbox owners: no account needs to have them.
FIRST_UID = 61001

VALID, NOT_VALID, UNDECIDED = 0, 1, 2


def program(name):
    """Path of one of our own programs.  Not being built is a failure, not a reason to skip."""
    path = os.path.join(BUILD, "bin", name)
    if not os.access(path, os.X_OK):
        raise AssertionError("%s is not built: run make first" % path)
    return path


def peer(name):
    """Path of somebody else's program; the test is skipped where it is not installed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise unittest.SkipTest("%s is not installed" % name)
    return path


def wait_until(condition, seconds=10, what="condition", pause=0.02):
    """Asks again and again until condition() is true, and returns what it was."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(pause)


def free_port(kind=socket.SOCK_DGRAM, host="127.0.0.1"):
    """A port nobody uses now, below the range from which the system takes its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        port = random.SystemRandom().randrange(15000, 32000)
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port on %s" % host)


# ---- constant databases and the qmail tree -------------------------------------------------------


def cdb_bytes(records):
    """A constant database with these (key, value) pairs of bytes, in the public format: 256 pairs
    (position, slots), the records, 256 hash tables of twice as many slots as they have entries."""

    def hash_of(key):
        h = 5381
        for byte in key:
            h = ((h << 5) + h & 0xFFFFFFFF) ^ byte
        return h

    body = bytearray()
    tables = [[] for _ in range(256)]
    for key, value in records:
        h = hash_of(key)
        tables[h & 255].append((h, 2048 + len(body)))
        body += struct.pack("<II", len(key), len(value)) + key + value
    header = bytearray()
    for entries in tables:
        slots = [(0, 0)] * (2 * len(entries))
        header += struct.pack("<II", 2048 + len(body), len(slots))
        for h, position in entries:
            at = (h >> 8) % len(slots)
            while slots[at][1] != 0:
                at = (at + 1) % len(slots)
            slots[at] = (h, position)
        for slot in slots:
            body += struct.pack("<II", *slot)
    return bytes(header + body)


def compile_assign(text):
    """What qmail-newu makes of users/assign: `=local:...` is stored under `!local` NUL, `+prefix:...`
    under `!prefix`, both in lower case, and the last characters of the prefixes under the empty
    key.  Raises ValueError for what qmail-newu refuses."""
    records, wildcards = [], []
    lines = text.split("\n")
    for line in lines:
        if line.startswith("."):
            break
        head, _, rest = line.partition(":")
        fields = rest.split(":")
        if not head or len(fields) < 7 or "\0" in line:
            raise ValueError("bad line in assign: %r" % line)
        key = b"!" + head[1:].lower().encode()
        if head[0] == "+":
            if len(head) >= 2 and head[-1].encode() not in wildcards:
                wildcards.append(head[-1].encode())
        else:
            key += b"\0"
        records.append((key, "\0".join(fields[:6]).encode()))
    else:
        raise ValueError("assign does not end in a line with a dot")
    records.append((b"", b"".join(wildcards)))
    return cdb_bytes(records)


def write_atomically(path, data, mode=0o644):
    """As every tool that replaces a control file or cdb should: a new file, then rename."""
    temporary = "%s.%s" % (path, secrets.token_hex(4))
    with open(temporary, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(temporary, mode)
    os.rename(temporary, path)


class QmailTree:
    """A qmail home in a directory: control/, users/, alias/ and homes of its own.

    Mailbox owners are numbers, not accounts: as root each gets its own uid, otherwise all are the
    one who runs the test."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.next_uid = FIRST_UID
        for sub in ("", "control", "users", "homes"):
            os.makedirs(os.path.join(path, sub), mode=0o755, exist_ok=True)

    def at(self, *parts):
        return os.path.join(self.path, *parts)

    def control(self, name, *lines):
        """Writes control/NAME, one entry per line."""
        write_atomically(self.at("control", name), "".join(line + "\n" for line in lines))

    def home(self, name, maildir=False, files=(), mode=0o755):
        """Makes a home and returns (path, uid, gid).  `files`: names in it, empty."""
        path = self.at("homes", name)
        uid, gid = os.getuid(), os.getgid()
        if IS_ROOT:
            uid = gid = self.next_uid
            self.next_uid += 1
        os.makedirs(path, mode=mode, exist_ok=True)
        wanted = [os.path.join(path, f) for f in files]
        if maildir:
            for sub in ("", "cur", "new", "tmp"):
                os.makedirs(os.path.join(path, "Maildir", sub), mode=0o700, exist_ok=True)
        for file in wanted:
            with open(file, "w", encoding="ascii") as f:
                f.write("./Maildir/\n")
        if IS_ROOT:
            for directory, _, names in os.walk(path):
                os.chown(directory, uid, gid)
                for each in names:
                    os.chown(os.path.join(directory, each), uid, gid)
        os.chmod(path, mode)
        return path, uid, gid

    def user(self, name, **kwargs):
        """A mailbox user in users/assign: NAME itself, and its extensions NAME-anything."""
        path, uid, gid = self.home(name, **kwargs)
        self.lines.append("=%s:%s:%d:%d:%s:::" % (name, name, uid, gid, path))
        self.lines.append("+%s-:%s:%d:%d:%s:-::" % (name, name, uid, gid, path))
        return path

    def prefix(self, prefix, user, **kwargs):
        """All addresses beginning with PREFIX (which may be empty) belong to USER's dot-files."""
        path, uid, gid = self.home(user, **kwargs)
        self.lines.append("+%s:%s:%d:%d:%s:-::" % (prefix, user, uid, gid, path))
        return path

    def assign(self, *lines):
        """Further lines for users/assign, as they are."""
        self.lines.extend(lines)

    def compile(self):
        """users/assign and the users/cdb that qmail-newu would make of it."""
        text = "".join(line + "\n" for line in self.lines) + ".\n"
        write_atomically(self.at("users", "assign"), text)
        write_atomically(self.at("users", "cdb"), compile_assign(text))


def readme_example(hook, name):
    """The indented block that follows `<!-- example: NAME -->` in this hook's README."""
    with open(os.path.join(TOP, "hooks", hook, "README.md"), encoding="ascii") as f:
        text = f.read()
    found = re.search(r"<!-- example: %s -->\n((?:    .*\n)+)" % name, text)
    return re.sub(r"^    ", "", found.group(1), flags=re.M)


def small_tree(path):
    """The tree most tests ask about, and what is true in it:

      local.example      joe and joe-list and joe-team-ANYTHING, mary, postmaster (alias)
      virtual.example    info, sales-ANYTHING
      team.example       everything (alias with a .qmail-default)
      anything else      a relay domain
    """
    tree = QmailTree(path)
    tree.control("me", "local.example")
    tree.control("locals", "local.example", "localhost")
    tree.control("rcpthosts", "local.example", "localhost", "virtual.example", "team.example")
    tree.control("virtualdomains", "virtual.example:virt", "team.example:team")
    tree.user("joe", maildir=True, files=(".qmail", ".qmail-list", ".qmail-team-default"))
    tree.user("mary", maildir=True)
    tree.prefix("virt-", "virt", files=(".qmail-info", ".qmail-sales-default"))
    tree.prefix("team-", "team", files=(".qmail-default",))
    tree.prefix("", "alias", files=(".qmail-postmaster",))
    tree.compile()
    return tree


# ---- the verification protocol -------------------------------------------------------------------


class Reply:
    """One reply datagram, taken apart.  `fields` is None where it has the legacy form."""

    def __init__(self, data):
        self.data = data
        self.result = data[0] & 15
        self.position = data[0] >> 4
        user, nul, rest = data[1:].partition(b"\0")
        self.user = user.decode("latin-1")
        self.fields = None
        if nul:
            pairs = [f.partition(b"=") for f in rest.split(b"\0") if f]
            self.fields = {k.decode("latin-1"): v.decode("latin-1") for k, _, v in pairs}

    @property
    def id(self):
        return (self.fields or {}).get("id")

    @property
    def why(self):
        return (self.fields or {}).get("why")

    def __repr__(self):
        return "Reply(%d, position %d, user %r, %r)" % (
            self.result, self.position, self.user, self.fields)


def encode_query(address, id=None, **fields):
    """An extended query.  `address` may be str or bytes."""
    if isinstance(address, str):
        address = address.encode("utf-8", "surrogateescape")
    id = secrets.token_hex(16) if id is None else id
    parts = [address, b"v=2", b"id=" + id.encode()]
    parts += [("%s=%s" % item).encode() for item in fields.items()]
    return b"\0".join(parts) + b"\0"


def parse_query(data):
    """(address, {field: value}) of a query, for responders."""
    address, _, rest = data.partition(b"\0")
    pairs = [f.partition(b"=") for f in rest.split(b"\0") if f]
    return address, {k.decode("latin-1"): v.decode("latin-1") for k, _, v in pairs}


def encode_reply(result, id=None, user="", why="local", position=0, text=None):
    """A reply, extended where an id is given."""
    data = bytes([position << 4 | result]) + user.encode()
    if id is not None:
        data += ("\0v=2\0id=%s\0why=%s\0" % (id, why)).encode()
        if text is not None:
            data += ("text=%s\0" % text).encode()
    return data


class VerifyClient:
    """Asks a verifier, one question at a time.  `address`: (host, port) or the path of a socket."""

    def __init__(self, address, timeout=5):
        self.timeout = timeout
        self.own_path = None
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.own_path = tempfile.mktemp(prefix="qv-client-")
            self.socket.bind(self.own_path)
            os.chmod(self.own_path, 0o777)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(address)

    def close(self):
        self.socket.close()
        if self.own_path:
            os.unlink(self.own_path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def raw(self, datagram, timeout=None):
        """Sends these bytes; the reply's bytes, or None where none came."""
        self.socket.settimeout(self.timeout if timeout is None else timeout)
        try:
            self.socket.send(datagram)
            return self.socket.recv(65536)
        except (socket.timeout, ConnectionRefusedError):
            return None

    def legacy(self, address, timeout=None):
        """Asks as clients before 2.0 do; a Reply, or None."""
        if isinstance(address, str):
            address = address.encode("utf-8", "surrogateescape")
        data = self.raw(address + b"\0", timeout)
        return None if data is None else Reply(data)

    def ask(self, address, timeout=None, **fields):
        """Asks in the extended form; the Reply with our id, or None.  Others are passed over."""
        query = encode_query(address, **fields)
        id = parse_query(query)[1]["id"]
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        data = self.raw(query, timeout)
        while data is not None:
            reply = Reply(data)
            if reply.id == id:
                return reply
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                data = None
        return None


class Responder:
    """A verifier of the test's own on a UDP port, to misbehave.

    `behave(data, count)` gets the query's bytes and how many came before, and returns the datagrams
    to send, each as bytes or as (seconds to wait first, bytes)."""

    def __init__(self, behave, port=0, host="127.0.0.1"):
        self.behave = behave
        self.queries = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port or free_port()))
        self.address = self.socket.getsockname()
        self.socket.settimeout(0.1)
        self.ending = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.address[1]

    def _serve(self):
        while not self.ending:
            try:
                data, client = self.socket.recvfrom(65536)
            except socket.timeout:
                continue
            except OSError:
                return
            count = len(self.queries)
            self.queries.append(data)
            for answer in self.behave(data, count):
                delay, answer = answer if isinstance(answer, tuple) else (0, answer)
                if delay:
                    timer = threading.Timer(delay, self._send, (answer, client))
                    timer.daemon = True
                    timer.start()
                else:
                    self._send(answer, client)

    def _send(self, answer, client):
        try:
            self.socket.sendto(answer, client)
        except OSError:
            pass

    def close(self):
        self.ending = True
        self.thread.join()
        self.socket.close()


def silent(data, count):
    """A verifier that is there and says nothing."""
    return []


def answering(result, **kwargs):
    """A verifier that always says the same, in the form it was asked in."""
    def behave(data, count):
        return [encode_reply(result, parse_query(data)[1].get("id"), **kwargs)]
    return behave


def late(result, seconds):
    """A verifier that is right, but too slow."""
    def behave(data, count):
        return [(seconds, encode_reply(result, parse_query(data)[1].get("id")))]
    return behave


def forging(forged, truth):
    """Somebody without the id is faster than the verifier: first datagrams that say `forged`, in
    the extended form with a wrong id and in the legacy form, then the true answer."""
    def behave(data, count):
        id = parse_query(data)[1].get("id")
        wrong = encode_reply(forged, "0" * len(id or "0" * 32))
        return [wrong, encode_reply(forged), b"", b"\xff" * 1200, (0.2, encode_reply(truth, id))]
    return behave


def losing(server, fraction, seed=1):
    """Stands between client and `server` and loses this fraction of the datagrams, in both
    directions, the same ones in every run."""
    dice = random.Random(seed)
    def behave(data, count):
        if dice.random() < fraction:
            return []
        with VerifyClient(server, timeout=2) as client:
            reply = client.raw(data)
        if reply is None or dice.random() < fraction:
            return []
        return [reply]
    return behave


# ---- SMTP ----------------------------------------------------------------------------------------


class Smtp:
    """One SMTP session, a line at a time.  `transcript` has both sides."""

    def __init__(self, port, host="127.0.0.1", timeout=30):
        self.socket = socket.create_connection((host, port), timeout)
        self.file = self.socket.makefile("rb")
        self.transcript = []
        self.greeting = self.reply()

    def reply(self):
        """(code, text) of the next reply; (None, "") where the server has closed."""
        lines = []
        while True:
            try:
                line = self.file.readline()
            except ConnectionError:
                line = b""
            if not line:
                return None, ""
            line = line.decode("latin-1").rstrip("\r\n")
            self.transcript.append("S: " + line)
            lines.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(lines)

    def send(self, *lines):
        for line in lines:
            self.transcript.append("C: " + line)
        data = "".join(line + "\r\n" for line in lines)
        self.socket.sendall(data.encode("latin-1"))

    def command(self, line):
        self.send(line)
        return self.reply()

    def mail(self, sender="sender@remote.example"):
        return self.command("MAIL FROM:<%s>" % sender)

    def rcpt(self, address):
        return self.command("RCPT TO:<%s>" % address)

    def data(self, text="Subject: test\r\n\r\nhello"):
        """The reply to DATA, or, where that was 354, the one to the message."""
        reply = self.command("DATA")
        if reply[0] != 354:
            return reply
        self.send(*text.split("\r\n"), ".")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- processes -----------------------------------------------------------------------------------


class Process:
    """A program with its standard output and error in a file."""

    def __init__(self, argv, logfile, env=None, cwd=None, name=None):
        self.name = name or os.path.basename(argv[0])
        self.logfile = logfile
        with open(logfile, "ab") as log:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=env, cwd=cwd)
        self.pid = self.popen.pid

    def log(self):
        with open(self.logfile, encoding="utf-8", errors="surrogateescape") as f:
            return f.read()

    def alive(self):
        return self.popen.poll() is None

    def wait(self, seconds=10):
        """Exit code, negative for a signal; it must end by itself within `seconds`."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end within %g s" % (self.name, seconds)) from None

    def send_signal(self, number):
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Ends it, in the end by force; exit code."""
        if self.alive():
            self.send_signal(number)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode

    def wait_log(self, pattern, seconds=10):
        """The first match of this regular expression in what it has logged."""
        return wait_until(lambda: re.search(pattern, self.log()), seconds,
                          "%r in the log of %s:\n%s" % (pattern, self.name, self.log()))


class E2eTest(unittest.TestCase):
    """The base of every end-to-end test: a directory, processes, and their end."""

    maxDiff = None

    def setUp(self):
        super().setUp()
        self.dir = tempfile.mkdtemp(prefix="qv-e2e-")
        os.chmod(self.dir, 0o755)  # daemons that gave up their rights look into it
        self.addCleanup(self._remove)
        self.processes = []
        self.addCleanup(self._show_logs)

    def at(self, *parts):
        return os.path.join(self.dir, *parts)

    def _remove(self):
        for directory, _, _ in os.walk(self.dir):
            if not os.path.islink(directory):
                os.chmod(directory, stat.S_IRWXU)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _show_logs(self):
        result = getattr(getattr(self, "_outcome", None), "result", None)
        bad = [t for t, _ in getattr(result, "failures", []) + getattr(result, "errors", [])]
        if self in bad or any(getattr(t, "test_case", None) is self for t in bad):
            for process in self.processes:
                print("---- log of %s\n%s" % (process.name, process.log()))

    def start(self, argv, env=None, ready=None, cwd=None, name=None):
        """Starts a program, waits until ready() is true, and ends it with the test."""
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}
        for keep in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if keep in os.environ:
                environment[keep] = os.environ[keep]
        environment.update(env or {})
        logfile = self.at("log.%d.%s" % (len(self.processes), name or os.path.basename(argv[0])))
        process = Process(argv, logfile, environment, cwd, name)
        self.processes.append(process)
        self.addCleanup(process.stop)
        if ready is not None:
            def look():
                if not process.alive():
                    raise AssertionError("%s ended with %s instead of serving:\n%s" % (
                        process.name, process.popen.returncode, process.log()))
                return ready()
            wait_until(look, 20, "%s serving" % process.name)
        return process

    def run_program(self, argv, env=None, input=b"", seconds=60, cwd=None, user=None):
        """Runs a program to its end; (exit code, standard output, standard error) as text."""
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}
        environment.update(env or {})
        done = subprocess.run(argv, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment, timeout=seconds, cwd=cwd, user=user, check=False)
        return (done.returncode, done.stdout.decode("utf-8", "surrogateescape"),
                done.stderr.decode("utf-8", "surrogateescape"))

    # -- our daemon

    def start_verify(self, tree, port=None, wait=True, wrap=(), **env):
        """qmail-verify over a tree on a port of 127.0.0.1; the Process, with .address and .port.
        `wrap`: words before the program, such as those of in_namespace()."""
        port = port or free_port()
        environment = verify_environment(tree.path, "127.0.0.1:%d" % port, **env)
        ready = (lambda: answers(("127.0.0.1", port))) if wait else None
        process = self.start([*wrap, program("qmail-verify")], environment, ready,
                             name="qmail-verify")
        process.port, process.address = port, ("127.0.0.1", port)
        return process

    def client(self, server, **kwargs):
        """A VerifyClient for a started verifier, a Responder, or an address."""
        client = VerifyClient(getattr(server, "address", server), **kwargs)
        self.addCleanup(client.close)
        return client

    def responder(self, behave, **kwargs):
        responder = Responder(behave, **kwargs)
        self.addCleanup(responder.close)
        return responder

    # -- an SMTP server with our hook

    def smtp_rules(self, text):
        """Compiles tcpserver rules; path of the cdb."""
        cdb = self.at("tcp.smtp.cdb")
        code, _, err = self.run_program([peer("tcprules"), cdb, cdb + ".tmp"], input=text.encode())
        self.assertEqual((code, err), (0, ""))
        return cdb

    def start_mailfront(self, rules=None, protocol="smtp", **env):
        """tcpserver with mailfront and our plugin, its environment by rules (':allow,VERIFY="..."');
        the Process, with .port."""
        port = free_port(socket.SOCK_STREAM)
        argv = [peer("tcpserver"), "-v", "-HRDl", "mx.local.example", "-t5"]
        if rules is not None:
            argv += ["-x", self.smtp_rules(rules)]
        argv += ["127.0.0.1", str(port), peer("mailfront"), protocol, "echo"]
        environment = {"PLUGINS": "accept:verifyrcpt", "MODULE_PATH": self.mailfront_modules()}
        environment.update(env)
        process = self.start(argv, environment, lambda: accepts(port), name="tcpserver")
        process.port = port
        return process

    def mailfront_modules(self):
        """mailfront looks for modules in one directory: the packaged ones and ours, as links."""
        path = self.at("modules")
        if not os.path.isdir(path):
            link_mailfront_modules(path)
        return path

    def smtp(self, server, **kwargs):
        session = Smtp(getattr(server, "port", server), **kwargs)
        self.addCleanup(session.close)
        return session

    def swaks(self, port, to, *options, seconds=60):
        """(exit code, transcript) of swaks sending one message to these recipients."""
        argv = [peer("swaks"), "--server", "127.0.0.1:%d" % port, "--to", to,
                "--from", "sender@remote.example", "--helo", "client.example", "--timeout", "20"]
        code, out, err = self.run_program([*argv, *options], seconds=seconds)
        return code, out + err

    # -- daemontools

    def start_svscan(self, services):
        """svscan over {name: run script, name/log: run script}; a Supervisor."""
        supervisor = Supervisor(self, services)
        return supervisor


class Supervisor:
    """daemontools over a directory of services."""

    def __init__(self, test, services):
        self.test = test
        self.path = test.at("service")
        os.makedirs(self.path, exist_ok=True)
        self.names = sorted(services)
        for name, script in services.items():
            # A service that svscan sees half made would be started half made: build, then move.
            directory = os.path.join(self.path, name)
            os.makedirs(directory, exist_ok=True)
            if "/" not in name and name + "/log" in services:
                os.chmod(directory, 0o1755)
            run = os.path.join(directory, "run")
            with open(run, "w", encoding="utf-8") as f:
                f.write(script)
            os.chmod(run, 0o755)
        peer("supervise")
        self.process = test.start([peer("svscan"), self.path], name="svscan")
        test.addCleanup(self.stop)

    def at(self, *parts):
        return os.path.join(self.path, *parts)

    def svc(self, option, name):
        code, out, err = self.test.run_program([peer("svc"), option, self.at(name)])
        self.test.assertEqual((code, out, err), (0, "", ""))

    def pid(self, name):
        """The service's pid, or None while it is down."""
        _, out, _ = self.test.run_program([peer("svstat"), self.at(name)])
        match = re.search(r": up \(pid (\d+)\)", out)
        return int(match.group(1)) if match else None

    def stop(self):
        """svscan first, so that it restarts nothing; then every supervise with its service."""
        self.process.stop()
        for name in self.names:
            if os.path.exists(self.at(name, "supervise", "control")):
                self.test.run_program([peer("svc"), "-dx", self.at(name)])
        for name in self.names:
            wait_until(lambda: self.test.run_program([peer("svok"), self.at(name)])[0] != 0, 15,
                       "supervise of %s gone" % name)


def descendants(pid):
    """Processes below this one, itself excluded."""
    found, parents = [], {pid}
    entries = [int(e) for e in os.listdir("/proc") if e.isdigit()]
    grown = True
    while grown:
        grown = False
        for each in entries:
            if each in found:
                continue
            try:
                parent = int(proc_status(each)["PPid"][0])
            except (OSError, KeyError):
                continue
            if parent in parents:
                found.append(each)
                parents.add(each)
                grown = True
    return found


def children(pid):
    """The children of a process, without the one that a spawner has ready for its next order, or is
    just forking: that has the spawner's name until it holds nothing of the spawner's any more."""
    def name(process):
        try:
            return proc_status(process).get("Name")
        except OSError:
            return ["qv-spare"]  # it has ended meanwhile
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        found = [int(word) for word in f.read().split()]
    not_yet = (["qv-spare"], ["qv-spawner"]) if name(pid) == ["qv-spawner"] else ()
    return [child for child in found if name(child) not in not_yet]


def counters_of(process, among=(), seconds=10):
    """Sends SIGUSR1 to a daemon and to the processes `among` its children; what it then logs as
    counters, {name: number}.  Each of them must outlive that."""
    def lines():
        return re.findall(r"(?m)^(?:\w+: )?counters (.*)$", process.log())
    before = len(lines())
    for pid in (*among, process.pid):
        os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: len(lines()) > before, seconds, "counters of %s" % process.name)
    gone = [pid for pid in among if not os.path.exists("/proc/%d" % pid)
            or proc_status(pid)["State"][0] == "Z"]
    if gone or not process.alive():
        raise AssertionError("SIGUSR1 ended %s of %s" % (gone or process.pid, process.name))
    return {k: int(v) for k, _, v in (field.partition("=") for field in lines()[-1].split())}


def proc_status(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        return {k: v.split() for k, _, v in (line.partition(":") for line in f)}


def verify_environment(home, listen, **env):
    """The settings qmail-verify gets in tests; names in lower case are not settings."""
    environment = {"QMAILHOME": home, "LISTEN": listen}
    if IS_ROOT:
        environment["VERIFYUSER"] = NOBODY
    environment.update({k: str(v) for k, v in env.items()})
    return environment


def answers(address, question="postmaster"):
    """Does a verifier answer there?"""
    with VerifyClient(address, timeout=0.5) as client:
        return client.ask(question) is not None


def accepts(port):
    """Does somebody greet there as an SMTP server does, or at least take the connection?"""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def mailfront_directory():
    """Where the packaged modules are, or None."""
    for path in ("/usr/lib/mailfront", "/usr/local/lib/mailfront"):
        if os.path.exists(os.path.join(path, "protocol-smtp.so")):
            return path
    return None


def link_mailfront_modules(path):
    """Fills a directory with links to the packaged modules and to our plugin."""
    packaged = mailfront_directory()
    if packaged is None:
        raise unittest.SkipTest("mailfront is not installed")
    ours = os.path.join(BUILD, "hooks", "mailfront", "plugin-verifyrcpt.so")
    if not os.path.exists(ours):
        raise AssertionError("%s is not built: run make first" % ours)
    os.makedirs(path)
    for name in os.listdir(packaged):
        os.symlink(os.path.join(packaged, name), os.path.join(path, name))
    os.symlink(ours, os.path.join(path, os.path.basename(ours)))


def in_namespace(passwd):
    """Words to put before a program so that it sees this file as /etc/passwd.  Needs root; the
    test is skipped where a mount namespace cannot be made."""
    if not IS_ROOT:
        raise unittest.SkipTest("needs root to show a program another /etc/passwd")
    words = [peer("unshare"), "-m", "--propagation", "private", "sh", "-c",
             'mount --bind "$0" /etc/passwd && exec "$@"', passwd]
    if subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise unittest.SkipTest("no mount namespaces here")
    return words
