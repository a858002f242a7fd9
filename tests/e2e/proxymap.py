#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-proxymap with real clients: Postfix's programs, qmail-map, and clients that misbehave."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import lib

OK, NO_KEY, RETRY, BAD, DENY, CONFIG = "012345"
OPEN_LOCK, REPLACE = 1 << 16, 1 << 7


def encode(*words):
    return b"".join(w.encode("latin-1") + b"\0" for w in words) + b"\0"


class Client:
    """A client of the proxymap protocol, one connection.  `newer`: the dialect since 3.11."""

    def __init__(self, path, newer=False, timeout=10):
        self.newer = newer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.bytes = b""
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.greeting = self.receive()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def receive(self):
        """The next message as a list of pairs; None where the server has closed."""
        while True:
            strings, at = [], 0
            while True:
                end = self.bytes.find(b"\0", at)
                if end < 0:
                    break
                if end == at and len(strings) % 2 == 0:
                    self.bytes = self.bytes[end + 1:]
                    words = [s.decode("latin-1") for s in strings]
                    return list(zip(words[::2], words[1::2]))
                strings.append(self.bytes[at:end])
                at = end + 1
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self.bytes += data

    def send(self, data):
        self.socket.sendall(data)

    def raw(self, *words):
        try:
            self.send(encode(*words))
        except ConnectionError:
            return None
        return self.receive()

    def request(self, name, table, flags=0, **more):
        words = ["request", name, "table", table]
        if self.newer:
            words += ["instance_flags", str(flags)]
        if not self.newer or name != "open":
            words += ["flags", str(flags)]
        for key, value in more.items():
            words += [key, value]
        reply = self.raw(*words)
        return None if reply is None else dict(reply)

    def lookup(self, table, key, flags=0):
        """(status, value)"""
        reply = self.request("lookup", table, flags, key=key)
        return reply["status"], reply["value"]

    def update(self, table, key, value, flags=REPLACE):
        return self.request("update", table, flags, key=key, value=value)["status"]


class SlowSocketmap:
    """A socketmap server as a database that can be slow, absent, and back."""

    def __init__(self, path, values, delay=0.0):
        self.path, self.values, self.delay = path, values, delay
        self.asked = 0
        self.socket = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.listen(64)
        self.connections = []
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()

    def stop(self):
        if self.socket is None:
            return
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.socket = None
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with connection:
            self._serve(connection)

    def _serve(self, connection):
        data = b""
        while True:
            try:
                more = connection.recv(65536)
            except OSError:
                return
            if not more:
                return
            data += more
            while b":" in data:
                length, _, rest = data.partition(b":")
                if len(rest) <= int(length):
                    break
                payload, data = rest[:int(length)], rest[int(length) + 1:]
                self.asked += 1
                time.sleep(self.delay)
                value = self.values.get(payload.partition(b" ")[2].decode())
                reply = b"NOTFOUND " if value is None else b"OK " + value.encode()
                try:
                    connection.sendall(b"%d:%s," % (len(reply), reply))
                except OSError:
                    return


class ProxyTest(lib.E2eTest):
    def setUp(self):
        super().setUp()
        for sub in ("control", "t", "w", "s"):
            os.makedirs(self.at(sub))
            os.chmod(self.at(sub), 0o755)
        os.chmod(self.at("s"), 0o777)
        self.box = self.make_table("cdb", "box", {"joe@local.example": "joe/", "key": "value"})
        self.approve(self.box)

    def approve(self, *tables, name="proxy_read_maps"):
        lib.write_atomically(self.at("control", name),
                             "".join("proxy:%s\n" % table for table in tables))

    def make_table(self, kind, name, entries):
        source = self.at("t", name)
        with open(source, "w", encoding="latin-1") as f:
            f.writelines("%s %s\n" % entry for entry in entries.items())
        table = "%s:%s" % (kind, self.at("w" if kind == "lmdb" else "t", name))
        code, out, err = self.run_program([lib.program("qmail-map"), "build", source, table])
        self.assertEqual(code, 0, out + err)
        if kind == "lmdb" and lib.IS_ROOT:
            shutil.chown(self.at("w"), lib.NOBODY)
            shutil.chown(self.at("w", name + ".lmdb"), lib.NOBODY)
        return table

    def start_proxy(self, *arguments, path=None, wrap=(), ready=True, **env):
        path = path or self.at("s", "proxy")
        environment = {"QMAILHOME": self.dir, "LISTEN": "unix:" + path}
        if lib.IS_ROOT:
            environment["PROXYMAPUSER"] = lib.NOBODY
        environment.update({k: str(v) for k, v in env.items()})

        def greets():
            try:
                Client(path, timeout=1).close()
                return True
            except OSError:
                return False

        process = self.start([*wrap, lib.program("qmail-proxymap"), *arguments], environment,
                             greets if ready else None, name="qmail-proxymap")
        process.path = path
        return process

    def connect(self, proxy, **kwargs):
        client = Client(proxy.path, **kwargs)
        self.addCleanup(client.close)
        return client

    def serves(self, proxy):
        with Client(proxy.path) as client:
            self.assertEqual(client.lookup(self.box, "key"), (OK, "value"))

    def log_lines(self, proxy, pattern):
        return [line for line in proxy.log().splitlines() if re.search(pattern, line)]


class Requests(ProxyTest):
    def test_greeting_and_look_ups_in_both_dialects(self):
        proxy = self.start_proxy()
        for newer in (False, True):
            client = self.connect(proxy, newer=newer)
            self.assertEqual(client.greeting, [("protocol", "proxymap_protocol")])
            reply = client.request("open", self.box)
            self.assertEqual(reply["status"], OK)
            self.assertEqual(int(reply["flags"]) & 0x30, 0x10)
            self.assertEqual(client.lookup(self.box, "key"), (OK, "value"))
            self.assertEqual(client.lookup(self.box, "KEY"), (NO_KEY, ""))
            self.assertEqual(client.lookup(self.box, "KEY", 1 << 14), (OK, "value"))
            self.assertEqual(client.lookup(self.box, ""), (NO_KEY, ""))
            self.assertEqual(client.lookup("proxy:" + self.box, "key"), (OK, "value"))

    def test_a_changed_table_is_noticed(self):
        proxy = self.start_proxy()
        client = self.connect(proxy)
        self.assertEqual(client.lookup(self.box, "new"), (NO_KEY, ""))
        self.make_table("cdb", "box", {"new": "entry", "key": "value"})
        lib.wait_until(lambda: client.lookup(self.box, "new") == (OK, "entry"), 5)

    def test_a_changed_allow_list_is_noticed(self):
        proxy = self.start_proxy()
        other = self.make_table("cdb", "other", {"k": "v"})
        client = self.connect(proxy)
        self.assertEqual(client.lookup(other, "k"), (DENY, ""))
        self.approve(self.box, other)
        lib.wait_until(lambda: client.lookup(other, "k") == (OK, "v"), 5)
        self.approve(other)
        lib.wait_until(lambda: client.lookup(self.box, "key") == (DENY, ""), 5)

    def test_refusal_says_what_would_approve(self):
        proxy = self.start_proxy()
        self.connect(proxy).lookup("cdb:/etc/passwd", "root")
        line = proxy.wait_log(r"event=refused.*").group(0)
        self.assertIn("file=control/proxy_read_maps", line)
        self.assertIn("line=proxy:cdb:/etc/passwd", line)

    def test_idle_tables_are_closed(self):
        proxy = self.start_proxy(max_idle=1)
        self.serves(proxy)
        held = lambda: self.box.partition(":")[2] in read_file("/proc/%d/maps" % proxy.pid)
        self.assertTrue(held())
        lib.wait_until(lambda: not held(), 10, "table closed")
        self.serves(proxy)

    def test_ends_cleanly_and_starts_again_over_its_old_socket(self):
        proxy = self.start_proxy()
        self.serves(proxy)
        proxy.send_signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0)
        self.assertTrue(os.path.exists(proxy.path))
        proxy = self.start_proxy()
        self.serves(proxy)
        # Not over a socket on which somebody answers.
        second = self.start_proxy(ready=False)
        self.assertEqual(second.wait(), 111)
        self.serves(proxy)

    def test_socket_mode_and_rights(self):
        proxy = self.start_proxy(SOCKETMODE="0600")
        self.assertEqual(os.stat(proxy.path).st_mode & 0o7777, 0o600)
        if lib.IS_ROOT:
            status = read_file("/proc/%d/status" % proxy.pid)
            self.assertRegex(status, r"(?m)^Uid:\s+[1-9]")
            self.assertRegex(status, r"(?m)^NoNewPrivs:\s+1$")

    def test_counters_on_sigusr1(self):
        proxy = self.start_proxy()
        self.serves(proxy)
        self.assertEqual(lib.counters_of(proxy)["lookups"], 1)

    def test_check_config(self):
        environment = {"QMAILHOME": self.dir, "LISTEN": "nonsense"}
        lib.write_atomically(self.at("control", "proxy_read_maps"), "cdb:/x\n")
        code, out, err = self.run_program([lib.program("qmail-proxymap"), "--check-config"],
                                          environment)
        self.assertEqual((code, out), (111, ""))
        self.assertIn("environment LISTEN: ", err)
        self.assertIn("proxy_read_maps:1", err)

    def test_qmail_map_asks_through_it(self):
        proxy = self.start_proxy()
        environment = {"PROXYMAP": "unix:" + proxy.path}
        get = [lib.program("qmail-map"), "get", "proxy:" + self.box]
        self.assertEqual(self.run_program([*get, "key"], environment)[:2], (0, "value\n"))
        self.assertEqual(self.run_program([*get, "nokey"], environment)[0], 100)
        proxy.stop()
        self.assertEqual(self.run_program([*get, "key"], environment)[0], 111)


    def test_the_example_of_the_manual(self):
        page = os.path.join(lib.TOP, "man", "qmail-proxymap-protocol.7")
        example = re.search(r"\nimport socket\n.*?(?=\n\.Ed)", read_file(page), re.S).group(0)
        proxy = self.start_proxy()
        program = "%s\nprint(ask(%r, %r, 'key'))\n" % (
            example.replace("\\e", "\\"), proxy.path, self.box)
        code, out, err = self.run_program(["python3", "-W", "ignore", "-"], input=program.encode())
        self.assertEqual((code, out), (0, "{'status': '0', 'value': 'value'}\n"), err)

    def test_the_run_script(self):
        """As supervise runs it, with the program of this build."""
        lib.peer("envdir")
        directory = self.at("service")
        shutil.copytree(os.path.join(lib.TOP, "service", "qmail-proxymap"), directory)
        run = read_file(os.path.join(directory, "run"))
        self.assertIn("\nPATH=", run)
        lib.write_atomically(os.path.join(directory, "run"),
                             run.replace("\nPATH=", "\nPATH=%s/bin:" % lib.BUILD), 0o755)
        settings = {"QMAILHOME": self.dir, "LISTEN": "unix:" + self.at("s", "supervised"),
                    "PROXYMAPUSER": lib.NOBODY}
        for name, value in settings.items():
            lib.write_atomically(os.path.join(directory, "env", name), value + "\n")
        process = self.start(["./run"], cwd=directory)
        process.path = self.at("s", "supervised")
        lib.wait_until(lambda: os.path.exists(process.path), 10, "the socket")
        self.serves(process)
        self.assertEqual(process.stop(), 0)


class BadInput(ProxyTest):
    def test_each_gets_its_status_and_one_line_and_others_are_served(self):
        proxy = self.start_proxy()
        t = self.box
        rows = [
            ("unknown request", ("request", "frob", "table", t), [("status", BAD)]),
            ("missing attribute", ("request", "lookup", "table", t, "flags", "0"),
             [("status", BAD), ("value", "")]),
            ("other order", ("request", "lookup", "flags", "0", "table", t, "key", "key"),
             [("status", BAD), ("value", "")]),
            ("number overflow", ("request", "lookup", "table", t, "flags", "4294967296",
                                 "key", "key"), [("status", BAD), ("value", "")]),
            ("sequence function", ("request", "sequence", "table", t, "flags", "0",
                                   "function", "2"), [("status", BAD), ("key", ""), ("value", "")]),
            ("empty message", (), [("status", BAD)]),
        ]
        for count, (what, words, expected) in enumerate(rows, 1):
            with self.subTest(what):
                client = self.connect(proxy)
                self.assertEqual(client.raw(*words), expected)
                self.assertIsNone(client.receive())
                lib.wait_until(lambda: len(self.log_lines(proxy, "bad-request")) == count, 5, what)
                self.serves(proxy)

    def test_tables_that_cannot_be_asked(self):
        self.approve(self.box, "cdb:/nonexistent", "nonesuch:/x")
        proxy = self.start_proxy()
        client = self.connect(proxy)
        for table, status in (("cdb:/nonexistent", CONFIG), ("nonesuch:/x", CONFIG),
                              (self.box + "/../box", DENY), ("cdb:/etc/../etc/passwd", DENY)):
            with self.subTest(table):
                for _ in range(3):
                    self.assertEqual(client.lookup(table, "k"), (status, ""))
                self.assertEqual(len(self.log_lines(proxy, re.escape(table) + r"[ :]")) +
                                 len(self.log_lines(proxy, re.escape(table) + "$")), 1,
                                 proxy.log())
        self.serves(proxy)

    def test_two_requests_in_one_write_and_one_byte_by_byte(self):
        proxy = self.start_proxy()
        client = self.connect(proxy)
        one = encode("request", "lookup", "table", self.box, "flags", "0", "key", "key")
        client.send(one + one)
        self.assertEqual(client.receive(), [("status", OK), ("value", "value")])
        self.assertEqual(client.receive(), [("status", OK), ("value", "value")])
        for at in range(len(one)):
            client.send(one[at:at + 1])
        self.assertEqual(client.receive(), [("status", OK), ("value", "value")])

    def test_unterminated_message(self):
        proxy = self.start_proxy()
        client = self.connect(proxy)
        client.send(b"request\0lookup\0table\0")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertIsNone(client.receive())
        proxy.wait_log("unterminated")
        self.serves(proxy)

    def test_half_a_request_and_a_deaf_client_are_dropped(self):
        self.make_table("cdb", "box", {"key": "value", "large": "v" * 60000})
        proxy = self.start_proxy(ipc_timeout=1)
        half, deaf = self.connect(proxy), self.connect(proxy)
        half.send(b"request\0look")
        one = encode("request", "lookup", "table", self.box, "flags", "0", "key", "large")
        deaf.socket.setblocking(False)
        sent = 0
        try:
            while sent < 10_000_000:
                sent += deaf.socket.send(one * 100)
        except BlockingIOError:
            pass
        self.serves(proxy)
        self.assertIsNone(half.receive())
        lib.wait_until(lambda: len(self.log_lines(proxy, "event=dropped")) == 2, 10)
        self.serves(proxy)

    def test_a_gibibyte_is_not_taken(self):
        proxy = self.start_proxy()
        client = self.connect(proxy)
        client.send(b"request\0lookup\0table\0")
        sent = 0
        with self.assertRaises(OSError):
            while sent < 1 << 30:
                sent += client.socket.send(b"x" * 65536)
        self.assertLess(sent, 8 << 20)
        self.assertLess(resident(proxy.pid), 64 << 20)
        self.serves(proxy)

    def test_a_client_that_dies_mid_reply(self):
        proxy = self.start_proxy()
        for _ in range(20):
            client = Client(proxy.path)
            client.send(encode("request", "lookup", "table", self.box, "flags", "0",
                               "key", "key") * 50)
            client.close()
        self.serves(proxy)

    def test_file_limit(self):
        proxy = self.start_proxy(wrap=[lib.peer("prlimit"), "--nofile=40:40"])
        clients = [self.connect(proxy, timeout=3) for _ in range(15)]
        time.sleep(1.2)  # those that are idle for less are not sent away
        clients += [self.connect(proxy, timeout=5) for _ in range(15)]
        for client in clients[-5:]:
            self.assertEqual(client.lookup(self.box, "key"), (OK, "value"))
        self.serves(proxy)


def read_file(path):
    with open(path, encoding="latin-1") as f:
        return f.read()


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", read_file("/proc/%d/status" % pid)).group(1)) * 1024


def is_gone(pid):
    try:
        return "State:\tZ" in read_file("/proc/%d/status" % pid)
    except OSError:
        return True


class ManyClients(ProxyTest):
    def test_ten_thousand_idle_clients(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 11000:
            self.skipTest("no more than %d open files here" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        proxy = self.start_proxy()
        clients = []
        try:
            for _ in range(10000):
                clients.append(Client(proxy.path))
            for client in clients[::100]:
                self.assertEqual(client.lookup(self.box, "key"), (OK, "value"))
            if "asan" not in lib.BUILD:
                self.assertLess(resident(proxy.pid), 64 << 20)
        finally:
            for client in clients:
                client.close()
        self.serves(proxy)


class Databases(ProxyTest):
    """Networked tables, a socketmap server standing for the database."""

    def start_database(self, **kwargs):
        database = SlowSocketmap(self.at("s", "db"), {"k": "v", "a": "1", "b": "2"}, **kwargs)
        self.addCleanup(database.stop)
        self.table = "socketmap:unix:%s:name" % database.path
        self.approve(self.box, self.table)
        return database

    def test_down_at_start_and_back_later(self):
        database = self.start_database()
        database.stop()
        proxy = self.start_proxy()
        client = self.connect(proxy)
        self.assertEqual(client.request("open", self.table)["status"], OK)
        self.assertEqual(client.lookup(self.table, "k"), (RETRY, ""))
        self.serves(proxy)
        database.start()
        lib.wait_until(lambda: client.lookup(self.table, "k") == (OK, "v"), 10)
        self.assertEqual(client.lookup(self.table, "nokey"), (NO_KEY, ""))
        database.stop()
        self.assertEqual(client.lookup(self.table, "k"), (RETRY, ""))
        database.start()
        lib.wait_until(lambda: client.lookup(self.table, "k") == (OK, "v"), 10)
        self.assertLessEqual(len(self.log_lines(proxy, "event=trouble")), 4)

    def test_a_slow_database_blocks_nobody_else(self):
        self.start_database(delay=1.0)
        proxy = self.start_proxy()
        waiting = [self.connect(proxy) for _ in range(6)]
        for number, client in enumerate(waiting):
            client.send(encode("request", "lookup", "table", self.table, "flags", "0",
                               "key", str(number)))
        begin = time.monotonic()
        client = self.connect(proxy)
        for _ in range(100):
            self.assertEqual(client.lookup(self.box, "key"), (OK, "value"))
        self.assertLess(time.monotonic() - begin, 0.8)
        for each in waiting:
            self.assertEqual(each.receive(), [("status", NO_KEY), ("value", "")])

    def test_the_same_question_is_asked_once(self):
        database = self.start_database(delay=0.5)
        proxy = self.start_proxy()
        clients = [self.connect(proxy) for _ in range(10)]
        for client in clients:
            client.send(encode("request", "lookup", "table", self.table, "flags", "0", "key", "k"))
        for client in clients:
            self.assertEqual(client.receive(), [("status", OK), ("value", "v")])
        self.assertEqual(database.asked, 1)

    def test_overflow_is_answered_at_once(self):
        self.start_database(delay=2.0)
        proxy = self.start_proxy(table_concurrency=1, table_queue_limit=1)
        first, second, third = (self.connect(proxy) for _ in range(3))
        for key, client in (("a", first), ("b", second)):
            client.send(encode("request", "lookup", "table", self.table, "flags", "0", "key", key))
        lib.wait_until(lambda: third.lookup(self.box, "key") == (OK, "value"))
        begin = time.monotonic()
        self.assertEqual(third.lookup(self.table, "c"), (RETRY, ""))
        self.assertLess(time.monotonic() - begin, 1)

    def test_what_takes_too_long_is_given_up(self):
        self.start_database(delay=30)
        proxy = self.start_proxy(daemon_timeout=1)
        begin = time.monotonic()
        self.assertEqual(self.connect(proxy).lookup(self.table, "k"), (RETRY, ""))
        self.assertLess(time.monotonic() - begin, 5)
        self.serves(proxy)

    def test_answers_are_kept_where_told(self):
        database = self.start_database()
        lib.write_atomically(self.at("control", "proxy_cache_maps"), "proxy:%s 60\n" % self.table)
        proxy = self.start_proxy()
        client = self.connect(proxy)
        for _ in range(5):
            self.assertEqual(client.lookup(self.table, "k"), (OK, "v"))
            self.assertEqual(client.lookup(self.table, "nokey"), (NO_KEY, ""))
        self.assertEqual(database.asked, 2)
        proxy.send_signal(signal.SIGHUP)
        lib.wait_until(lambda: client.lookup(self.table, "k") and database.asked > 2, 5)

    def test_workers_end_with_the_server(self):
        self.start_database()
        proxy = self.start_proxy()
        self.connect(proxy).lookup(self.table, "k")
        workers = lib.children(proxy.pid)
        self.assertEqual(len(workers), 1)
        proxy.send_signal(signal.SIGKILL)
        proxy.wait()
        lib.wait_until(lambda: is_gone(workers[0]), 5, "worker gone")

    def test_usr1_ends_no_worker(self):
        database = self.start_database(delay=1.0)
        proxy = self.start_proxy()
        client = self.connect(proxy)
        client.send(encode("request", "lookup", "table", self.table, "flags", "0", "key", "k"))
        counted = lib.counters_of(proxy, lib.wait_until(lambda: lib.children(proxy.pid), 5))
        self.assertEqual([counted[name] for name in ("lookups", "to_workers", "workers_lost")],
                         [1, 1, 0])
        self.assertEqual(client.receive(), [("status", OK), ("value", "v")])
        self.assertEqual((database.asked, lib.counters_of(proxy)["workers_lost"]), (1, 0))

    def test_a_worker_that_is_killed_costs_nothing(self):
        self.start_database(delay=1.0)
        proxy = self.start_proxy()
        client = self.connect(proxy)
        client.send(encode("request", "lookup", "table", self.table, "flags", "0", "key", "k"))
        spawner = lib.children(proxy.pid)[0]
        worker = lib.wait_until(lambda: lib.children(spawner), 5)[0]
        os.kill(worker, signal.SIGKILL)
        self.assertEqual(client.receive(), [("status", OK), ("value", "v")])

    def test_without_its_spawner_it_ends_to_be_started_again(self):
        proxy = self.start_proxy()
        os.kill(lib.children(proxy.pid)[0], signal.SIGKILL)
        self.assertEqual(proxy.wait(), 111, proxy.log())
        self.assertIn("worker event=spawner_gone", proxy.log())


class Writes(ProxyTest):
    def setUp(self):
        super().setUp()
        self.table = self.make_table("lmdb", "vc", {"first": "1"})
        self.approve(self.table, name="proxy_write_maps")
        self.approve(self.box, self.table)

    def start_writer(self):
        return self.start_proxy("-w", path=self.at("s", "write"))

    def test_all_five_requests_in_both_dialects(self):
        proxy = self.start_writer()
        for newer in (False, True):
            client = self.connect(proxy, newer=newer)
            self.assertEqual(client.request("open", self.table, OPEN_LOCK)["status"], OK)
            self.assertEqual(client.update(self.table, "k", "v"), OK)
            self.assertEqual(client.update(self.table, "k", "v2"), OK)
            self.assertEqual(client.lookup(self.table, "k"), (OK, "v2"))
            seen = {}
            reply = client.request("sequence", self.table, function="0")
            while reply["status"] == OK:
                seen[reply["key"]] = reply["value"]
                reply = client.request("sequence", self.table, function="1")
            self.assertEqual(reply["status"], NO_KEY)
            self.assertEqual(seen, {"first": "1", "k": "v2"})
            erased = [client.request("delete", self.table, key="k")["status"] for _ in range(2)]
            self.assertEqual(erased, [OK, NO_KEY])

    def test_a_large_value(self):
        proxy = self.start_writer()
        client = self.connect(proxy)
        self.assertEqual(client.update(self.table, "large", "v" * 65536), OK)
        self.assertEqual(client.lookup(self.table, "large"), (OK, "v" * 65536))

    def test_a_key_that_cannot_be_stored_is_no_refusal(self):
        proxy = self.start_writer()
        client = self.connect(proxy)
        self.assertEqual(client.update(self.table, "k" * 600, "v"), CONFIG)
        self.assertEqual(client.update(self.table, "k", "v"), OK)

    def test_the_read_service_does_not_write(self):
        proxy = self.start_proxy()
        client = self.connect(proxy)
        self.assertEqual(client.update(self.table, "k", "v"), DENY)
        self.assertEqual(client.request("delete", self.table, key="first")["status"], DENY)
        self.assertEqual(client.lookup(self.table, "first"), (OK, "1"))

    def test_the_write_service_has_its_own_list(self):
        proxy = self.start_writer()
        self.assertEqual(self.connect(proxy).lookup(self.box, "key"), (DENY, ""))

    def test_nothing_that_was_confirmed_is_lost(self):
        """Clients write at the same time; the server is killed in the middle, twice."""
        confirmed = []
        stop = threading.Event()

        def write(number):
            count = 0
            while not stop.is_set():
                try:
                    with Client(self.at("s", "write"), timeout=5) as client:
                        while not stop.is_set():
                            key = "%d-%d" % (number, count)
                            if client.update(self.table, key, key) == OK:
                                confirmed.append(key)
                                count += 1
                except (OSError, TypeError):  # the server was killed
                    time.sleep(0.02)

        proxy = self.start_writer()
        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                enough = len(confirmed) + 100
                lib.wait_until(lambda: len(confirmed) > enough, 30, "updates")
                proxy.send_signal(signal.SIGKILL)
                proxy.wait()
                proxy = self.start_writer()
            enough = len(confirmed) + 50
            lib.wait_until(lambda: len(confirmed) > enough, 30, "updates")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        proxy.stop(signal.SIGKILL)
        code, out, err = self.run_program([lib.program("qmail-map"), "list", self.table])
        self.assertEqual((code, err), (0, ""))
        there = dict(line.split("\t") for line in out.splitlines())
        self.assertGreater(len(confirmed), 200)
        self.assertEqual([k for k in confirmed if there.get(k) != k], [])


class Postfix(ProxyTest):
    """Debian's Postfix, in directories of the test's own, with our server in proxymap's place."""

    def setUp(self):
        super().setUp()
        if not lib.IS_ROOT:
            self.skipTest("Postfix is started by root only")
        lib.peer("postfix")
        lib.peer("postmap")
        for sub in ("conf", "queue", "queue/private", "data"):
            os.makedirs(self.at("postfix", sub))
        shutil.chown(self.at("postfix", "data"), "postfix")
        shutil.chown(self.at("postfix", "queue", "private"), "postfix")
        self.socket = self.at("postfix", "queue", "private", "proxymap")

    def configure(self, services="", **parameters):
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.at("postfix", "queue"),
            "data_directory": self.at("postfix", "data"),
            "maillog_file": self.at("postfix", "log"), "maillog_file_prefixes": "/",
            "myhostname": "mail.local.example", "inet_interfaces": "127.0.0.1",
            "mynetworks": "", "smtpd_peername_lookup": "no", "alias_maps": "",
        }
        settings.update(parameters)
        with open(self.at("postfix", "conf", "main.cf"), "w", encoding="ascii") as f:
            f.writelines("%s = %s\n" % item for item in settings.items())
        with open(self.at("postfix", "conf", "master.cf"), "w", encoding="ascii") as f:
            f.write(services + "postlog unix-dgram n - n - 1 postlogd\n")

    def start_postfix(self):
        config = self.at("postfix", "conf")
        done = subprocess.run([lib.peer("postfix"), "-c", config, "start"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.addCleanup(subprocess.run, [lib.peer("postfix"), "-c", config, "stop"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def postmap(self, *arguments, input=b""):
        return self.run_program(
            [lib.peer("postmap"), "-c", self.at("postfix", "conf"), *arguments], input=input)

    def start_in_place(self, **env):
        return self.start_proxy(path=self.socket, **env)

    def test_postmap(self):
        self.configure()
        proxy = self.start_in_place()
        code, out, err = self.postmap("-q", "key", "proxy:" + self.box)
        self.assertEqual((code, out), (0, "value\n"), err)
        self.assertEqual(self.postmap("-q", "nokey", "proxy:" + self.box)[:2], (1, ""))
        code, out, err = self.postmap("-q", "-", "proxy:" + self.box,
                                      input=b"key\nnokey\njoe@local.example\n")
        self.assertEqual((code, out), (0, "key\tvalue\njoe@local.example\tjoe/\n"), err)
        code, out, err = self.postmap("-q", "key", "proxy:cdb:/etc/nothing")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("not configured for table", err)
        proxy.wait_log(r"line=proxy:cdb:/etc/nothing")

    def test_a_table_that_postmap_built(self):
        """With and without a NUL behind the keys, both kinds of file."""
        self.configure()
        source = self.at("t", "theirs")
        with open(source, "w", encoding="ascii") as f:
            f.write("a@b value\n")
        tables = []
        for kind in ("cdb", "lmdb"):
            code, _, err = self.postmap("%s:%s" % (kind, source))
            if code != 0:
                continue  # this Postfix has no such type
            tables.append("%s:%s" % (kind, source))
        if not tables:
            self.skipTest("postmap builds neither cdb nor lmdb")
        self.approve(*tables)
        self.start_in_place()
        for table in tables:
            code, out, err = self.postmap("-q", "a@b", "proxy:" + table)
            self.assertEqual((code, out), (0, "value\n"), err)

    def test_smtpd_asks_for_recipients(self):
        port = lib.free_port(socket.SOCK_STREAM)
        self.configure(
            "127.0.0.1:%d inet n - n - - smtpd\n" % port +
            "cleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\n"
            "anvil unix - - n - 1 anvil\n",
            mydestination="local.example", local_recipient_maps="proxy:" + self.box,
            smtpd_recipient_restrictions="reject_unauth_destination",
            smtpd_reject_unlisted_recipient="yes")
        proxy = self.start_in_place()
        self.start_postfix()
        lib.wait_until(lambda: lib.accepts(port), 10, "smtpd")
        with lib.Smtp(port) as session:
            session.command("EHLO client.example")
            session.mail()
            self.assertEqual(session.rcpt("joe@local.example")[0], 250)
            code, text = session.rcpt("nosuch@local.example")
            self.assertEqual(code, 550, text)
            self.assertIn("5.1.1", text)
        # A table that cannot be asked is no reason to refuse for good.
        os.rename(self.at("t", "box.cdb"), self.at("t", "away"))
        proxy.stop()
        proxy = self.start_in_place()
        with lib.Smtp(port) as session:
            session.command("EHLO client.example")
            session.mail()
            code, text = session.rcpt("nosuch2@local.example")
            self.assertEqual(code // 100, 4, text)

    def test_verify_keeps_its_cache_through_the_write_service(self):
        """Postfix's verify(8) as the client of the read-write service."""
        port = lib.free_port(socket.SOCK_STREAM)
        cache = self.make_table("lmdb", "verify", {"x": "0:0:1:x"})
        self.approve(cache, name="proxy_write_maps")
        self.configure(
            "127.0.0.1:%d inet n - n - - smtpd\n" % port +
            "cleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\n"
            "anvil unix - - n - 1 anvil\nverify unix - - n - 1 verify\n"
            "qmgr unix n - n 300 1 qmgr\nbounce unix - - n - 0 bounce\n"
            "defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n"
            "error unix - - n - - error\nretry unix - - n - - error\n"
            "proxymap unix - - n - - proxymap\n",
            mydestination="", relay_domains="relay.example",
            relay_transport="error:5.1.1 no such user", address_verify_map="proxy:" + cache,
            proxy_write_maps="proxy:" + cache, address_verify_poll_count="3",
            address_verify_poll_delay="1",
            smtpd_recipient_restrictions="reject_unauth_destination,reject_unverified_recipient",
            unverified_recipient_reject_code="550")
        self.start_proxy("-w", path=self.at("postfix", "queue", "private", "proxywrite"))
        self.start_postfix()
        lib.wait_until(lambda: lib.accepts(port), 10, "smtpd")
        with lib.Smtp(port) as session:
            session.command("EHLO client.example")
            session.mail()
            code, text = session.rcpt("nosuch@relay.example")
            self.assertEqual(code, 550, text)
        code, out, err = self.run_program([lib.program("qmail-map"), "get", cache,
                                           "nosuch@relay.example"])
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^2:0:\d+:.*no such user")


if __name__ == "__main__":
    unittest.main()
