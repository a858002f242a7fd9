#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-probe end to end: real next hops, real clients, and next hops that misbehave."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import lib
import peers

OK, DEFER, BOUNCE, TODO = "0", "1", "2", "3"
DENIED, BAD = "4294967295", "4294967294"


def message(*attributes):
    return b"".join(b"%s\0%s\0" % (n.encode(), v.encode()) for n, v in attributes) + b"\0"


class VerifyClient:
    """A client of the verify protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.rest = b""
        try:
            self.socket.connect(path)
            self.greeting = self.receive()
        except (OSError, EOFError):
            self.socket.close()
            raise

    def receive(self):
        """The next message as bytes, its last NUL included."""
        while True:
            strings = self.rest.split(b"\0")
            # Names stand at the even places; an empty name ends the message.
            for i in range(0, len(strings) - 1, 2):
                if strings[i] == b"":
                    size = sum(len(s) + 1 for s in strings[:i]) + 1
                    whole, self.rest = self.rest[:size], self.rest[size:]
                    return whole
            got = self.socket.recv(65536)
            if not got:
                raise EOFError("closed after %r" % self.rest)
            self.rest += got

    def exchange(self, request):
        self.socket.sendall(request)
        return self.receive()

    def ask(self, *attributes):
        """The reply as a dictionary."""
        strings = self.exchange(message(*attributes)).decode("latin-1").split("\0")
        return dict(zip(strings[0:-2:2], strings[1:-2:2]))

    def query(self, address, wait=None):
        more = [] if wait is None else [("wait", str(int(wait * 1000)))]
        return self.ask(("request", "query"), ("address", address), *more)

    def update(self, address, status, reason):
        return self.ask(("request", "update"), ("address", address),
                        ("recipient_status", status), ("reason", reason))

    def put(self, key, record):
        return self.ask(("request", "put"), ("key", key), ("record", record))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class FakeHop:
    """An SMTP server that does what the test says.  `reply(line)` gives the reply to a command, or
    None to hang up, or "" to say nothing.  `path`: on this Unix socket."""

    def __init__(self, reply=None, greeting="220 fake", path=None):
        self.reply = reply or (lambda line: "250 ok")
        self.greeting = greeting
        self.lines = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.lock = threading.Lock()
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o777)
            self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with self.lock:
            self.connections += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        left = False
        try:
            with client, client.makefile("rwb") as file:
                file.write(self.greeting.encode("latin-1") + b"\r\n")
                file.flush()
                for line in file:
                    text = line.decode("latin-1").rstrip("\r\n")
                    with self.lock:
                        self.lines.append(text)
                    reply = self.reply(text)
                    if reply is None:
                        return
                    if text == "QUIT" and not left:
                        # The client may be gone, and back, before this thread notices.
                        with self.lock:
                            self.open -= 1
                        left = True
                    if reply:
                        file.write(reply.encode("latin-1") + b"\r\n")
                        file.flush()
        except OSError:
            pass
        finally:
            with self.lock:
                self.open -= 0 if left else 1

    def said(self, beginning):
        with self.lock:
            return sum(line.startswith(beginning) for line in self.lines)

    def close(self):
        self.listener.close()


def users(*names):
    """A reply function: these local parts exist, others do not."""
    def reply(line):
        if line.startswith("RCPT TO:<"):
            local = line[9:].split("@")[0]
            return "250 2.1.5 Ok" if local in names else "550 5.1.1 no such user here"
        return "221 bye" if line == "QUIT" else "250 ok"
    return reply


class ProbeTest(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.QmailTree(self.at("qmail"))
        self.tree.control("me", "mx.local.example")
        self.socket = self.tree.at("probe", "verify")

    def routes(self, *lines):
        self.tree.control("verifyprobe", *lines)

    def environment(self, **env):
        return dict({"QMAILHOME": self.tree.path, "PROBEUSER": lib.NOBODY}, **env)

    def start_probe(self, path=None, name=None, **env):
        path = path or self.socket
        environment = self.environment(LISTEN="unix:" + path, **env)
        return self.start([lib.program("qmail-probe")], environment, name=name,
                          ready=lambda: self.answers(path))

    @staticmethod
    def answers(path):
        try:
            VerifyClient(path).close()
            return True
        except (OSError, EOFError):
            return False

    def client(self, path=None):
        client = VerifyClient(path or self.socket)
        self.addCleanup(client.close)
        return client

    def hop(self, *args, **kwargs):
        hop = FakeHop(*args, **kwargs)
        self.addCleanup(hop.close)
        return hop

    def tool(self, *words, input=b"", **env):
        return self.run_program([lib.program("qmail-probe"), *words],
                                self.environment(LISTEN="unix:" + self.socket, **env), input=input)

    def assert_answer(self, reply, status, reason=None, why=None):
        self.assertEqual(reply["status"], "0")
        self.assertEqual(reply["recipient_status"], status, reply)
        if reason is not None:
            self.assertIn(reason, reply["reason"])
        if why is not None:
            self.assertEqual(reply["why"], why)


class Protocol(ProbeTest):
    def test_exchanges_recorded_between_real_postfix_programs(self):
        self.start_probe()
        directory = os.path.join(lib.TOP, "tests", "data", "verify")
        files = sorted(os.listdir(directory))
        self.assertGreaterEqual(len(files), 2)
        for name in files:
            with open(os.path.join(directory, name), encoding="utf-8") as f:
                exchanges = [json.loads(line) for line in f]
            client = self.client()
            self.assertEqual(client.greeting, exchanges[0]["bytes"].encode("latin-1"))
            for exchange in exchanges[1:]:
                request, reply = dict(exchange["request"]), dict(exchange["reply"])
                if request["request"] == "query":
                    self.remember(client, request["address"], reply)
                got = client.exchange(exchange["request_bytes"].encode("latin-1"))
                self.assertEqual(got, exchange["reply_bytes"].encode("latin-1"), exchange)

    def remember(self, client, address, reply):
        """Puts what must be known for the recorded reply into the cache."""
        now, status = int(time.time()), reply["recipient_status"]
        times = "%d:0:" % now if status == TODO else "0:%d:%s" % (now, reply["reason"])
        self.assertEqual(client.put(address, status + ":" + times)["status"], "0")

    def test_bad_requests_are_refused_and_others_served(self):
        probe = self.start_probe()
        other = self.client()
        for request in (message(("request", "nonsense")), b"\0", message(("address", "a@b")),
                        message(("request", "query"), ("address", "a@b"), ("x", "y")),
                        b"request\0" + b"x" * 200000):
            client = self.client()
            self.assertEqual(client.exchange(request), message(("status", BAD)))
            with self.assertRaises((EOFError, ConnectionError)):
                client.receive()
            self.assert_answer(other.query("a@b.example"), DEFER)
        probe.wait_log("bad-request")

    def test_a_client_that_never_reads_does_not_disturb_others(self):
        self.start_probe()
        greedy = self.client()
        greedy.socket.setblocking(False)
        request = message(("request", "query"), ("address", "a@b.example")) * 1000
        sent = 0
        try:
            while sent < 50_000_000:
                sent += greedy.socket.send(request)
        except BlockingIOError:
            pass
        self.assertLess(sent, 50_000_000)
        started = time.monotonic()
        self.assert_answer(self.client().query("a@b.example"), DEFER)
        self.assertLess(time.monotonic() - started, 1)

    def test_one_byte_at_a_time_and_two_at_once(self):
        self.start_probe()
        client = self.client()
        request = message(("request", "query"), ("address", "a@b.example"))
        for byte in request:
            client.socket.sendall(bytes([byte]))
        one = client.receive()
        self.assertEqual(client.exchange(request + request), one)
        self.assertEqual(client.receive(), one)

    @unittest.skipUnless(lib.IS_ROOT, "needs root to be somebody else")
    def test_only_those_named_may_update(self):
        probe = self.start_probe(PROBEUSER=":61000:61000")

        def as_stranger():
            """What somebody with another uid is told."""
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setgroups([])
                    os.setgid(61999)
                    os.setuid(61999)
                    client = VerifyClient(self.socket)
                    told = [client.update("a@x.example", "2", "poison")["status"],
                            client.put("a@x", "0:0:5:")["status"],
                            client.ask(("request", "purge"), ("what", "--all"))["status"],
                            client.query("a@x.example")["recipient_status"]]
                    os.write(writer, " ".join(told).encode())
                finally:
                    os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as pipe:
                told = pipe.read().split()
            os.waitpid(child, 0)
            return told

        self.assertEqual(as_stranger(), [DENIED, DENIED, DENIED, DEFER])
        probe.wait_log(r"event=denied request=update uid=61999 allow=control/probe_update_users")
        self.tree.control("probe_update_users", "61999")
        # Changed files are noticed without a restart.
        lib.wait_until(lambda: as_stranger()[0] == "0", what="the change noticed")
        self.assertEqual(self.client().query("a@x.example")["recipient_status"], DEFER)

    @unittest.skipUnless(lib.IS_ROOT, "needs root to give up rights")
    def test_it_gives_up_its_rights(self):
        probe = self.start_probe(PROBEUSER=":61000:61000")
        with open("/proc/%d/status" % probe.pid, encoding="ascii") as f:
            status = f.read()
        self.assertRegex(status, r"Uid:\s61000\s61000\s61000\s61000\n")
        self.assertRegex(status, r"Gid:\s61000\s61000\s61000\s61000\n")
        self.assertRegex(status, r"Groups:\s*(61000 )?\n")


class Callouts(ProbeTest):
    def test_asks_once_and_remembers(self):
        hop = self.hop(users("joe"))
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        probe = self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example"), TODO, "Address verification in progress")
        self.assert_answer(client.query("joe@x.example", 5), OK, "250 2.1.5 Ok", "probe")
        self.assert_answer(client.query("none@x.example", 5), BOUNCE,
                           "host 127.0.0.1 said: 550 5.1.1 no such user here", "probe")
        for _ in range(5):
            self.assert_answer(client.query("JOE@x.example"), OK)
        self.assert_answer(client.query("joe@other.example", 5), DEFER, why="not-probed")
        self.assertEqual(hop.said("RCPT TO:<joe@"), 1)
        self.assertEqual(hop.said("DATA"), 0)
        probe.wait_log(r"probe result=not-valid why=probe rcpt=none@x.example host=127.0.0.1")

    def test_many_at_once_are_polite(self):
        hop = self.hop(users())
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        self.start_probe(probe_domain_rate="0", probe_accept_all="ignore")
        clients = [self.client() for _ in range(60)]
        for number, client in enumerate(clients):
            client.socket.sendall(message(
                ("request", "query"), ("address", "u%d@x.example" % (number % 50)),
                ("wait", "20000")))
        for client in clients:
            self.assertIn(b"recipient_status\x002\x00", client.receive())
        self.assertEqual(hop.said("RCPT"), 50)
        self.assertLessEqual(hop.most_open, 4)

    def test_lmtp_on_a_unix_socket(self):
        hop = self.hop(users("joe"), path=self.at("lmtp"))
        self.routes("x.example:lmtp:unix:" + self.at("lmtp"), "y.example:lmtp:unix:/nowhere/lmtp")
        self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 5), OK, why="probe")
        self.assert_answer(client.query("none@x.example", 5), BOUNCE, "550 5.1.1", "probe")
        self.assertEqual(hop.said("LHLO mx.local.example"), 1)
        self.assert_answer(client.query("joe@y.example", 5), DEFER, "No such file", "unreachable")

    def test_a_hop_that_hangs_stops_nobody(self):
        stuck = self.hop(lambda line: "")
        good = self.hop(users("joe"))
        self.routes("stuck.example:127.0.0.1:%d" % stuck.port,
                    "x.example:127.0.0.1:%d" % good.port)
        self.start_probe(probe_step_timeout="2s")
        waiting = self.client()
        waiting.socket.sendall(message(("request", "query"), ("address", "a@stuck.example"),
                                       ("wait", "20000")))
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 5), OK)
        self.assertIn(b"why\0unreachable\0", waiting.receive())
        self.assert_answer(client.query("b@stuck.example", 5), DEFER, why="unreachable")
        self.assertEqual(stuck.connections, 1)

    def test_words_of_the_hop_cannot_hurt(self):
        evil = ["550 5.1.1 \x1b[31m\x00 \xff\xfe `rm -rf` %s%n", "550-5.1.1 a\r\n550 5.1.1 b",
                "550 5.1.1 " + "x" * 1900]
        hop = self.hop(lambda line: evil[int(line[9])] if line.startswith("RCPT") else "250 ok")
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        self.start_probe(probe_accept_all="ignore")
        client = self.client()
        for number in range(len(evil)):
            reply = client.query("%d@x.example" % number, 5)
            self.assert_answer(reply, BOUNCE)
            self.assertLessEqual(len(reply["reason"]), 400)
            self.assertRegex(reply["reason"], r"^[ -~]*$")

    def test_nonsense_and_floods_are_no_answer(self):
        replies = {"a": "250 ok\r\n250 ok\r\n250 ok", "b": "nonsense", "c": None,
                   "d": "250-" + "x" * 100000, "e": "250-x\r\n" * 1000 + "250 x"}
        hops = {}
        for name, reply in replies.items():
            hops[name] = self.hop(lambda line, r=reply: r if line.startswith("RCPT") else "250 ok")
        self.routes(*["%s.example:127.0.0.1:%d" % (n, h.port) for n, h in hops.items()])
        self.start_probe(probe_accept_all="ignore", probe_step_timeout="3s")
        client = self.client()
        for name in replies:
            self.assert_answer(client.query("joe@%s.example" % name, 20), DEFER, why="unreachable")

    def test_changed_routes_are_noticed(self):
        hop = self.hop(users("joe"))
        self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 1), DEFER, why="not-probed")
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        lib.wait_until(lambda: client.query("joe@x.example", 5)["recipient_status"] == OK)

    def test_backup_mx_accepts_while_the_primary_is_down(self):
        port = lib.free_port(socket.SOCK_STREAM)
        self.routes("x.example:127.0.0.1:%d backup-mx" % port, "y.example:127.0.0.1:%d" % port)
        self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 5), OK, why="backup-mx")
        self.assert_answer(client.query("joe@y.example", 5), DEFER, why="unreachable")

    def test_accept_all_is_recognised(self):
        hop = self.hop()
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        probe = self.start_probe(probe_accept_all="undecided")
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 5), DEFER, why="accept-all")
        self.assert_answer(client.query("ann@x.example", 5), DEFER, why="accept-all")
        self.assertEqual(hop.said("RCPT"), 2)
        probe.stop()
        self.start_probe()
        self.assert_answer(self.client().query("ann@x.example", 5), OK, why="accept-all")

    def test_mail_exchangers_are_looked_up(self):
        hop = self.hop(users("joe"), greeting="220 first")
        dns = NameServer({"x.example": [(10, "mail.x.example")]}, {"mail.x.example": "127.0.0.1"})
        self.addCleanup(dns.close)
        with open(self.at("resolv.conf"), "w", encoding="ascii") as f:
            f.write("nameserver 127.0.0.1:%d\n" % dns.port)
        self.routes("x.example:mx", "y.example:mail.x.example:%d" % hop.port)
        self.start_probe(resolv_conf=self.at("resolv.conf"))
        client = self.client()
        # Port 25 of this host is our own server's: nobody to ask.
        self.assert_answer(client.query("joe@x.example", 5), DEFER, "this host", "unreachable")
        self.assert_answer(client.query("joe@y.example", 5), OK, "host mail.x.example said")
        self.assertIn(("x.example", 15), dns.asked)


class NameServer:
    """Answers MX and A questions from tables."""

    def __init__(self, exchangers, addresses):
        self.exchangers, self.addresses, self.asked = exchangers, addresses, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def name(text):
        return b"".join(bytes([len(x)]) + x.encode() for x in text.split(".")) + b"\0"

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(2000)
            except OSError:
                return
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += query[at] + 1
            question, name = query[12:at + 5], ".".join(labels)
            kind = int.from_bytes(query[at + 1:at + 3], "big")
            self.asked.append((name, kind))
            data = []
            if kind == 15:
                data = [p.to_bytes(2, "big") + self.name(h) for p, h in
                        self.exchangers.get(name, [])]
            if kind == 1 and name in self.addresses:
                data = [socket.inet_aton(self.addresses[name])]
            records = b"".join(b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\0" +
                               len(d).to_bytes(2, "big") + d for d in data)
            self.socket.sendto(query[:2] + b"\x81\x80\0\1" + len(data).to_bytes(2, "big") +
                               b"\0\0\0\0" + question + records, client)

    def close(self):
        self.socket.close()


class Store(ProbeTest):
    def test_tools_with_and_without_the_daemon(self):
        now = int(time.time())
        probe = self.start_probe()
        with self.client() as client:
            client.update("Joe@x.example", OK, "250 fine")
            client.update("none@x.example", BOUNCE, "550 no")
            client.update("ann@y.example", OK, "250 fine")
        code, listing, _ = self.tool("list")
        self.assertEqual(code, 0)
        self.assertEqual([line.split("\t")[:3] for line in listing.splitlines()],
                         [["ann@y.example", "ok", "fresh"], ["joe@x.example", "ok", "fresh"],
                          ["none@x.example", "bounce", "fresh"]])
        self.assertIn("550 no", self.tool("show", "none@X.example")[1])
        self.assertEqual(self.tool("show", "nobody@z.example")[0], 100)
        code, exported, _ = self.tool("export")
        self.assertRegex(exported, r"joe@x\.example\t0:0:\d+:250 fine\n")
        self.assertEqual(self.tool("purge", "none@x.example")[1], "1 entries purged\n")
        self.assertEqual(self.tool("purge", "y.example")[1], "1 entries purged\n")
        probe.stop()
        # Without a daemon the tools look into the file.
        self.assertEqual(self.tool("export")[1].split("\t")[0], "joe@x.example")
        self.assertEqual(self.tool("purge", "--all")[1], "1 entries purged\n")
        self.assertEqual(self.tool("export")[1], "")
        self.assertEqual(self.tool("import", input=exported.encode())[:2],
                         (0, "3 entries imported, 0 refused\n"))
        self.assertEqual(self.tool("export")[1], exported)
        code, out, _ = self.tool("import", input=b"a@b\tnonsense\nc@d\t0:0:%d:x\n" % now)
        self.assertEqual((code, out), (111, "1 entries imported, 1 refused\n"))
        self.start_probe()
        self.assert_answer(self.client().query("c@d"), OK, "x")
        for words in (["list", "x"], ["show"], ["purge"], ["nonsense"], ["import", "a", "b"]):
            self.assertEqual(self.tool(*words)[0], 100, words)

    def test_reads_a_map_of_postfix(self):
        postmap = lib.peer("postmap")
        os.makedirs(self.at("conf"))
        with open(self.at("conf", "main.cf"), "w", encoding="ascii") as f:
            f.write("compatibility_level = 3.6\n")
        now = int(time.time())
        with open(self.at("theirs"), "w", encoding="ascii") as f:
            f.write("joe@x.example 0:0:%d:250 ok\nnone@x.example 2:0:%d:550 no\n"
                    "_LAST_CACHE_CLEANUP_COMPLETED_ %d\n" % (now, now, now))
        code, _, err = self.run_program([postmap, "-c", self.at("conf"), "lmdb:" + self.at("theirs")])
        if code != 0:
            self.skipTest("postmap builds no lmdb: " + err)
        self.start_probe()
        self.assertEqual(self.tool("import", "lmdb:" + self.at("theirs"))[:2],
                         (0, "2 entries imported, 0 refused\n"))
        self.assert_answer(self.client().query("none@x.example"), BOUNCE, "550 no")

    def test_killed_under_load_it_comes_back_with_what_it_knew(self):
        hop = self.hop(lambda line: "250 ok" if not line.startswith("RCPT") or "ok" in line
                       else "550 5.1.1 no")
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        settings = {"probe_domain_rate": "0", "probe_host_concurrency": "20",
                    "probe_accept_all": "ignore", "probe_cache_entries": "1000000"}
        for round_number in range(4):
            answered = {}
            probe = self.start_probe(**settings)
            stop = threading.Event()

            def load(number, round_number=round_number, stop=stop, answered=answered):
                try:
                    with VerifyClient(self.socket) as client:
                        for i in range(100000):
                            address = "%s%d-%d-%d@x.example" % (
                                "ok" if i % 2 else "no", round_number, number, i)
                            reply = client.query(address, 5)
                            if reply["recipient_status"] in (OK, BOUNCE):
                                answered[address] = (time.monotonic(), reply["recipient_status"])
                            if stop.is_set():
                                return
                except (OSError, EOFError):
                    pass
            threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            time.sleep(1.5)
            killed = time.monotonic()
            probe.stop(signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join()
            probe = self.start_probe(**settings)
            self.assertNotIn("ALERT", probe.log())
            # What was learnt more than a second before is on disk.
            old = {a: s for a, (t, s) in answered.items() if t < killed - 1}
            self.assertGreater(len(old), 20)
            said = hop.said("RCPT")
            with VerifyClient(self.socket) as client:
                for address in list(old)[-2000:]:
                    self.assert_answer(client.query(address), old[address])
            self.assertEqual(hop.said("RCPT"), said)
            probe.stop()

    def test_killed_a_hundred_times_the_cache_is_whole_each_time(self):
        """Nothing that was on disk is lost or goes back, and nothing is there that was not said."""
        truth = {"ok": OK, "no": BOUNCE}
        names = ["%s%d@x.example" % (("ok", "no")[i % 2], i) for i in range(2000)]
        dice = random.Random(1)
        seen = {}
        for number in range(101):
            probe = self.start_probe(probe_cache_entries="100000")
            self.assertNotIn("ALERT", probe.log(), "after %d kills" % number)
            with VerifyClient(self.socket) as client:
                rounds = self.rounds_by_name(client, truth)
                self.assertGreaterEqual(rounds.keys(), seen.keys())
                for name, before in seen.items():
                    self.assertGreaterEqual(rounds[name], before, name)
                seen = rounds
                # Many changes at a time, while the file is being written again and again.
                end = time.monotonic() + dice.uniform(0.05, 0.35)
                while time.monotonic() < end:
                    some = [dice.choice(names) for _ in range(100)]
                    client.socket.sendall(b"".join(message(
                        ("request", "update"), ("address", name),
                        ("recipient_status", truth[name[:2]]), ("reason", "round %d" % number))
                        for name in some))
                    for _ in some:
                        self.assertEqual(client.receive(), message(("status", "0")))
                probe.stop(signal.SIGKILL)
        self.assertEqual(len(seen), len(names))
        self.assertGreater(max(seen.values()), 90)

    def rounds_by_name(self, client, truth):
        """The cache as its daemon lists it: in which round each record was written."""
        rounds, after = {}, ""
        while True:
            reply = client.ask(("request", "list"), ("after", after), ("limit", "500"))
            self.assertEqual(reply["status"], "0")
            for line in reply["entries"].splitlines():
                after, record = line.split("\t")
                match = re.fullmatch(r"([0-3]):0:\d+:round (\d+)", record)
                self.assertTrue(match, line)
                self.assertEqual(match.group(1), truth[after[:2]], line)
                rounds[after] = int(match.group(2))
            if int(reply["count"]) < 500:
                return rounds

    def test_a_damaged_file_is_set_aside_and_mail_goes_on(self):
        hop = self.hop(users("joe"))
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        path = self.tree.at("probe", "cache.lmdb")
        probe = self.start_probe()
        self.assert_answer(self.client().query("joe@x.example", 5), OK)
        probe.stop()
        with open(path, "r+b") as f:
            f.write(b"\xff" * os.path.getsize(path))
        probe = self.start_probe()
        probe.wait_log(r"ALERT cache=.*damaged")
        self.assertTrue(os.path.exists(path + ".damaged"))
        self.assert_answer(self.client().query("joe@x.example", 5), OK)
        self.assertEqual(hop.said("RCPT TO:<joe@"), 2)

    def test_the_cache_is_bounded(self):
        self.start_probe(probe_cache_entries="100")
        client = self.client()
        for i in range(300):
            client.update("u%d@x.example" % i, OK if i < 50 else BOUNCE, "x")
        lib.wait_until(lambda: len(self.tool("list")[1].splitlines()) <= 100)
        listing = self.tool("list")[1]
        self.assertEqual(listing.count("\tok\t"), 50)

    def test_memory_only(self):
        self.start_probe(address_verify_map="memory:")
        with self.client() as client:
            client.update("joe@x.example", OK, "250 fine")
        self.assertIn("joe@x.example", self.tool("list", address_verify_map="memory:")[1])
        self.assertFalse(os.path.exists(self.tree.at("probe", "cache.lmdb")))


class Operator(ProbeTest):
    def test_every_mistake_is_reported(self):
        self.tree.control("verifyprobe", "x.example:a:b", ":everything", "y.example:mail")
        code, out, err = self.tool("--check-config", address_verify_map="btree:/x")
        self.assertEqual((code, out), (111, ""))
        self.assertEqual(len(self.mistakes(err)), 3, err)
        self.tree.control("verifyprobe", "y.example:mail")
        self.assertEqual(self.tool("--check-config")[:2], (0, ""))

    @staticmethod
    def mistakes(err):
        """Lines without those of the sanitizers, and without notes."""
        return [line for line in err.splitlines() if re.match(r"(environment|control)[ /]", line)]

    def test_help_and_version(self):
        self.assertIn("address_verify_positive_expire_time", self.tool("--help")[1])
        self.assertRegex(self.tool("--version")[1], r"^qmail-probe [0-9]")
        self.assertEqual(self.tool("--nonsense")[0], 100)

    def test_settings_come_from_control_files_too(self):
        self.tree.control("address_verify_negative_cache", "perhaps")
        code, _, err = self.tool("--check-config")
        self.assertEqual(code, 111)
        self.assertIn("control/address_verify_negative_cache:1: ", err)

    def test_ends_cleanly(self):
        probe = self.start_probe()
        self.client().update("joe@x.example", OK, "x")
        self.assertEqual(probe.stop(), 0)
        self.assertIn("counters", probe.log())
        self.assertIn("joe@x.example", self.tool("list")[1])


class Fleet(ProbeTest):
    """Two hosts, one Redis."""

    def setUp(self):
        super().setUp()
        self.redis_port = lib.free_port(socket.SOCK_STREAM)
        self.start_redis()
        self.hop_server = self.hop(users("joe"))
        self.routes("x.example:127.0.0.1:%d" % self.hop_server.port)
        self.paths = [self.at("one"), self.at("two")]
        self.probes = [self.start_probe(
            path=path, name="probe-" + os.path.basename(path),
            address_verify_map="memory: redis:127.0.0.1:%d" % self.redis_port,
            probe_accept_all="ignore") for path in self.paths]
        self.one, self.two = [self.client(path) for path in self.paths]

    def start_redis(self):
        self.redis = self.start(
            [lib.peer("redis-server"), "--port", str(self.redis_port), "--bind", "127.0.0.1",
             "--save", "", "--appendonly", "no", "--dir", self.dir], name="redis",
            ready=lambda: lib.accepts(self.redis_port))

    def redis_command(self, *words):
        """One command; the raw reply."""
        with socket.create_connection(("127.0.0.1", self.redis_port), 5) as s:
            s.sendall(b"*%d\r\n" % len(words) + b"".join(
                b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
            return s.recv(65536)

    def test_one_probe_serves_all(self):
        self.assert_answer(self.one.query("joe@x.example", 5), OK)
        self.assert_answer(self.two.query("joe@x.example"), OK)
        self.assert_answer(self.two.query("none@x.example", 5), BOUNCE)
        self.assert_answer(self.one.query("none@x.example"), BOUNCE)
        self.assertEqual(self.hop_server.said("RCPT"), 2)
        self.assertIn(b"0:0:", self.redis_command("GET", "qv:probe:joe@x.example"))
        self.assertEqual(self.redis_command("EXISTS", "qv:lease:joe@x.example"), b":0\r\n")

    def test_one_host_probes_an_address_at_a_time(self):
        replying = threading.Event()
        inner = self.hop_server.reply

        def slow(line):
            if line.startswith("RCPT"):
                replying.wait(10)
            return inner(line)
        self.hop_server.reply = slow
        for client in (self.one, self.two):
            client.socket.sendall(message(("request", "query"), ("address", "joe@x.example"),
                                          ("wait", "10000")))
        lib.wait_until(lambda: self.hop_server.said("RCPT") == 1)
        self.assertEqual(self.redis_command("EXISTS", "qv:lease:joe@x.example"), b":1\r\n")
        time.sleep(0.5)
        replying.set()
        for client in (self.one, self.two):
            self.assertIn(b"recipient_status\x000\x00", client.receive())
        self.assertEqual(self.hop_server.said("RCPT"), 1)

    def test_without_redis_the_local_cache_then_cannot_tell(self):
        self.assert_answer(self.one.query("joe@x.example", 5), OK)
        self.redis.stop(signal.SIGKILL)
        self.assert_answer(self.one.query("joe@x.example"), OK)
        self.assert_answer(self.one.query("ann@x.example", 3), DEFER, why="table-error")
        self.assert_answer(self.two.query("joe@x.example", 3), DEFER, why="table-error")
        self.assertEqual(self.hop_server.said("RCPT"), 1)
        self.probes[0].wait_log("redis event=down")
        self.start_redis()
        lib.wait_until(lambda: self.two.query("joe@x.example", 3)["recipient_status"] == OK)
        self.probes[1].wait_log("redis event=up")

    def test_a_redis_that_hangs_stops_nobody(self):
        self.redis.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis.send_signal, signal.SIGCONT)
        started = time.monotonic()
        self.assert_answer(self.one.query("joe@x.example", 3), DEFER, why="table-error")
        self.assertLess(time.monotonic() - started, 3)

    def test_purged_for_all(self):
        for client in (self.one, self.two):
            client.query("joe@x.example", 5)
            client.query("none@x.example", 5)
        self.assertEqual(self.hop_server.said("RCPT"), 2)
        self.one.ask(("request", "purge"), ("what", "x.example"))
        lib.wait_until(lambda: self.redis_command("DBSIZE") == b":0\r\n")
        self.assert_answer(self.two.query("joe@x.example", 5), OK)
        self.assertEqual(self.hop_server.said("RCPT"), 3)


# ---- real next hops and clients ------------------------------------------------------------------


class PostfixTest(ProbeTest):
    """Debian's Postfix and Exim in directories of the test's own."""

    def setUp(self):
        super().setUp()
        if not lib.IS_ROOT:
            self.skipTest("Postfix is started by root only")
        lib.peer("postfix")

    def start_postfix(self, name, services, **parameters):
        directory = self.at(name)
        for sub in ("conf", "queue", "queue/private", "data"):
            os.makedirs(os.path.join(directory, sub))
        shutil.chown(os.path.join(directory, "data"), "postfix")
        shutil.chown(os.path.join(directory, "queue", "private"), "postfix")
        settings = {
            "compatibility_level": "3.6", "queue_directory": directory + "/queue",
            "data_directory": directory + "/data", "maillog_file": directory + "/log",
            "maillog_file_prefixes": "/", "myhostname": name + ".example",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "",
            "smtpd_peername_lookup": "no", "alias_maps": "", "mydestination": "",
            "smtpd_recipient_restrictions": "", "smtpd_relay_restrictions": "reject_unauth_destination",
        }
        settings.update(parameters)
        with open(directory + "/conf/main.cf", "w", encoding="ascii") as f:
            f.writelines("%s = %s\n" % item for item in settings.items())
        with open(directory + "/conf/master.cf", "w", encoding="ascii") as f:
            f.write("\n".join([*services, "cleanup unix n - n - 0 cleanup",
                               "rewrite unix - - n - - trivial-rewrite",
                               "anvil unix - - n - 1 anvil", "proxymap unix - - n - - proxymap",
                               "tlsmgr unix - - n 1000? 1 tlsmgr",
                               "postlog unix-dgram n - n - 1 postlogd"]) + "\n")
        postfix = lib.peer("postfix")
        done = subprocess.run([postfix, "-c", directory + "/conf", "start"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.addCleanup(subprocess.run, [postfix, "-c", directory + "/conf", "stop"], check=False,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return directory

    def start_next_hop(self, **parameters):
        """A Postfix that knows joe@x.example; its port."""
        port = lib.free_port(socket.SOCK_STREAM)
        self.hop_directory = self.start_postfix(
            "hop", ["127.0.0.1:%d inet n - n - - smtpd" % port],
            relay_domains="x.example", relay_recipient_maps="inline:{joe@x.example=x}",
            **parameters)
        lib.wait_until(lambda: self.greets(port))
        return port

    @staticmethod
    def greets(port):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                return s.recv(100).startswith(b"220")
        except OSError:
            return False

    def start_exim(self):
        program, environment = peers.exim_program(self, "light")
        spool = self.at("exim")
        os.makedirs(spool)
        port = lib.free_port(socket.SOCK_STREAM)
        configuration = self.at("exim.conf")
        with open(configuration, "w", encoding="ascii") as f:
            f.write("""
exim_user = root
exim_group = root
never_users =
primary_hostname = exim.example
spool_directory = %(spool)s
log_file_path = %(spool)s/%%slog
pid_file_path = %(spool)s/pid
daemon_smtp_ports = %(port)d
local_interfaces = 127.0.0.1
domainlist relay = x.example
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  defer local_parts = later
        message = 4.3.0 later
  require domains = +relay
  accept verify = recipient
begin routers
joe:
  driver = accept
  local_parts = joe
  transport = nowhere
begin transports
nowhere:
  driver = appendfile
  file = /dev/null
""" % {"spool": spool, "port": port})
        os.chmod(configuration, 0o644)
        self.start([*program, "-C", configuration, "-bdf"], environment,
                   lambda: self.greets(port))
        return port


class RealHops(PostfixTest):
    def test_postfix_as_next_hop(self):
        self.routes("x.example:127.0.0.1:%d" % self.start_next_hop())
        self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 10), OK, "250 2.1.5 Ok", "probe")
        self.assert_answer(client.query("none@x.example", 10), BOUNCE,
                           "550 5.1.1 <none@x.example>", "probe")
        self.assert_answer(client.query("a\"b c@x.example", 10), BOUNCE, why="probe")

    def test_postfix_under_tls(self):
        key, certificate = self.at("key.pem"), self.at("cert.pem")
        code, _, err = self.run_program(
            [lib.peer("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=hop.example", "-keyout", key, "-out", certificate])
        self.assertEqual(code, 0, err)
        port = self.start_next_hop(smtpd_tls_security_level="encrypt", smtpd_tls_cert_file=certificate,
                                   smtpd_tls_key_file=key, smtpd_tls_loglevel="1")
        self.routes("x.example:127.0.0.1:%d tls=must" % port)
        self.start_probe()
        self.assert_answer(self.client().query("joe@x.example", 10), OK, why="probe")
        with open(self.hop_directory + "/log", encoding="ascii", errors="replace") as f:
            self.assertIn("TLS connection established from", f.read())

    def test_postfix_that_refuses_our_sender(self):
        port = self.start_next_hop(
            smtpd_delay_reject="no",
            smtpd_sender_restrictions="inline:{<>=REJECT}, check_sender_access inline:{<>=REJECT}")
        self.routes("x.example:127.0.0.1:%d" % port)
        self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 10), DEFER, why="sender-refused")
        self.assert_answer(client.query("none@x.example", 10), DEFER, why="sender-refused")
        self.assertEqual(self.tool("list")[1], "")

    def test_exim_as_next_hop(self):
        port = self.start_exim()
        self.routes("x.example:127.0.0.1:%d" % port)
        self.start_probe()
        client = self.client()
        self.assert_answer(client.query("joe@x.example", 10), OK, why="probe")
        self.assert_answer(client.query("none@x.example", 10), BOUNCE, "550 Unrouteable", "probe")
        self.assert_answer(client.query("later@x.example", 10), DEFER, "451", "probe")


class UnderPostfix(PostfixTest):
    """In the place of Postfix's own verify(8)."""

    def test_reject_unverified_recipient(self):
        hop = self.hop(users("joe"))
        self.routes("x.example:127.0.0.1:%d" % hop.port)
        port = lib.free_port(socket.SOCK_STREAM)
        directory = self.start_postfix(
            "mx", ["127.0.0.1:%d inet n - n - - smtpd" % port],
            relay_domains="x.example y.example", relay_recipient_maps="",
            smtpd_recipient_restrictions="reject_unauth_destination reject_unverified_recipient",
            unverified_recipient_reject_code="550", address_verify_poll_count="3",
            address_verify_poll_delay="1s", smtpd_error_sleep_time="0",
            smtpd_delay_open_until_valid_rcpt="yes")
        path = directory + "/queue/private/verify"
        probe = self.start_probe(path=path)
        lib.wait_until(lambda: self.greets(port))
        with lib.Smtp(port) as smtp:
            smtp.command("EHLO client.example")
            smtp.mail()
            self.assertEqual(smtp.rcpt("joe@x.example")[0], 250)
            code, text = smtp.rcpt("none@x.example")
            self.assertEqual(code, 550)
            self.assertIn("5.1.1 no such user here", text)
            self.assertEqual(smtp.rcpt("who@y.example")[0], 450)
            self.assertEqual(smtp.rcpt("joe@x.example")[0], 250)
        self.assertEqual(hop.said("RCPT TO:<joe@"), 1)
        probe.send_signal(signal.SIGUSR1)
        probe.wait_log(r"counters queries=\d+")
        with open(directory + "/log", encoding="ascii", errors="replace") as f:
            self.assertNotRegex(f.read(), r"warning: .*(verify|private/verify)")


if __name__ == "__main__":
    unittest.main(verbosity=2)
