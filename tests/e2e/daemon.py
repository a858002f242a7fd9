#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-verify as a daemon: addresses, signals, rights, changed and damaged files, its commands."""

import os
import re
import shutil
import signal
import socket
import unittest

import lib
from lib import NOT_VALID, UNDECIDED, VALID, descendants, proc_status


class Daemon(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))

    def becomes(self, client, address, result, seconds=3):
        lib.wait_until(lambda: getattr(client.ask(address), "result", None) == result, seconds,
                       "%s is %d" % (address, result))

    def fails_to_start(self, **env):
        """It ends with 111 and one line; returns the line."""
        process = self.start_verify(self.tree, wait=False, **env)
        self.assertEqual(process.wait(), 111, process.log())
        lines = process.log().splitlines()
        self.assertEqual(len(lines), 1, process.log())
        return lines[0]


class Listen(Daemon):
    def test_malformed(self):
        for listen in ("", " ", "127.0.0.1:0x10", "127.0.0.1:65536", "127.0.0.1:-1", "300.0.0.1:1",
                       "[::1:11113", "[::g]:11113", "unix:", "localhost.:", "127.0.0.1:11113,",
                       "unix:" + "x" * 200, "256.1:1:1", "127.0.0.1:15001 nonsense"):
            with self.subTest(listen=listen):
                self.assertIn("LISTEN", self.fails_to_start(LISTEN=listen))

    def test_port_in_use(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            port = lib.free_port()
            other.bind(("127.0.0.1", port))
            line = self.fails_to_start(LISTEN="127.0.0.1:%d" % port)
        self.assertIn("127.0.0.1:%d" % port, line)
        self.assertIn("in use", line.lower())

    def test_several_addresses(self):
        ports = [lib.free_port() for _ in range(2)]
        path = self.at("verify.sock")
        addresses = [("127.0.0.1", p) for p in ports] + [path]
        listen = "127.0.0.1:%d 127.0.0.1:%d unix:%s" % (*ports, path)
        try:
            port = lib.free_port(host="::1")
            listen += " [::1]:%d" % port
            addresses.append(("::1", port))
        except (AssertionError, OSError):
            pass  # a machine without IPv6
        # The socket is made by whoever starts the daemon; its directory must let the client in.
        self.start_verify(self.tree, ports[0], LISTEN=listen)
        for address in addresses:
            with self.subTest(address=address):
                self.assertEqual(self.client(address).ask("joe@local.example").result, VALID)

    def test_stale_socket_is_replaced(self):
        path = self.at("verify.sock")
        port = lib.free_port()
        listen = "127.0.0.1:%d unix:%s" % (port, path)
        self.start_verify(self.tree, port, LISTEN=listen).stop(signal.SIGKILL)
        self.start_verify(self.tree, port, LISTEN=listen)
        self.assertEqual(self.client(path).ask("joe@local.example").result, VALID)

    def test_bad_settings(self):
        for env in ({"LEGACYTEMP": "maybe"}, {"LOG": "some"}, {"CACHETTL": "-1"},
                    {"CACHETTL": "1s"}):
            with self.subTest(**env):
                self.assertIn(next(iter(env)), self.fails_to_start(**env))

    @unittest.skipUnless(lib.IS_ROOT, "needs root: others cannot change who they are")
    def test_unknown_account(self):
        self.assertIn("VERIFYUSER", self.fails_to_start(VERIFYUSER="no-such-account"))


class Load(Daemon):
    def test_a_port_that_was_busy_rests_again(self):
        """Bursts of more than is taken in one turn: each query has its answer, and then it sleeps."""
        verify = self.start_verify(self.tree)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            client.settimeout(10)
            client.connect(verify.address)
            for _ in range(5):
                # Stopped, it finds them all at once.
                os.kill(verify.pid, signal.SIGSTOP)
                ids = set()
                for i in range(300):
                    query = lib.encode_query("joe@local.example" if i % 2 else "x%d@local.example" % i)
                    ids.add(lib.parse_query(query)[1]["id"])
                    client.send(query)
                os.kill(verify.pid, signal.SIGCONT)
                replies = [lib.Reply(client.recv(65536)) for _ in ids]
                self.assertEqual({reply.id for reply in replies}, ids)
                self.assertEqual({reply.result for reply in replies}, {VALID, NOT_VALID})

        def state():
            with open("/proc/%d/stat" % verify.pid, encoding="ascii") as f:
                return f.read().rsplit(")", 1)[1].split()[0]
        lib.wait_until(lambda: state() == "S", 10, "the front asleep")
        self.assertEqual(self.client(verify).ask("joe@local.example").result, VALID)


class Signals(Daemon):
    def test_term_ends_cleanly(self):
        verify = self.start_verify(self.tree)
        self.assertEqual(verify.stop(signal.SIGTERM), 0)

    def test_term_ends_the_helpers_too(self):
        verify = self.start_verify(self.tree)
        family = descendants(verify.pid)
        verify.stop(signal.SIGTERM)
        lib.wait_until(lambda: not [p for p in family if os.path.exists("/proc/%d" % p)], 5,
                       "helpers gone")

    def test_helpers_end_when_the_front_is_killed(self):
        verify = self.start_verify(self.tree)
        family = descendants(verify.pid)
        verify.stop(signal.SIGKILL)
        lib.wait_until(lambda: not [p for p in family if os.path.exists("/proc/%d" % p)], 5,
                       "helpers gone")

    def test_without_its_spawner_it_ends_to_be_started_again(self):
        """Nobody else may start helpers: the supervisor has to, by starting all of it."""
        verify = self.start_verify(self.tree)
        spawner = [p for p in descendants(verify.pid)
                  if int(proc_status(p)["PPid"][0]) == verify.pid]
        self.assertEqual(len(spawner), 1)
        os.kill(spawner[0], signal.SIGKILL)
        self.assertEqual(verify.wait(), 111, verify.log())
        self.assertIn("worker event=spawner_gone", verify.log())

    def test_hup_reads_again(self):
        verify = self.start_verify(self.tree)
        client = self.client(verify)
        self.assertEqual(client.ask("x@new.example").position, 1)
        self.tree.control("locals", "local.example", "new.example")
        verify.send_signal(signal.SIGHUP)
        self.becomes(client, "x@new.example", NOT_VALID, 1)
        self.assertTrue(verify.alive())

    def test_usr1_logs_the_counters(self):
        """To all processes of its name, as pkill -USR1 sends it: nobody ends, and the numbers are
        those of what was asked."""
        self.tree.assign("+lost-:lost:%d:%d:/no/such/home:-::" % (lib.FIRST_UID, lib.FIRST_UID))
        self.tree.compile()
        policy = self.at("policy")
        port = lib.free_port()
        verify = self.start_verify(self.tree, port, LEGACYTEMP="silent",
                                   LISTEN="127.0.0.1:%d policy:unix:%s" % (port, policy))
        client = self.client(verify)
        family = descendants(verify.pid)
        self.assertTrue(family)
        before = lib.counters_of(verify, family)
        for _ in range(3):
            self.assertEqual(client.ask("joe@local.example").result, VALID)
        for _ in range(2):
            self.assertEqual(client.legacy("nobody@local.example").result, NOT_VALID)
        self.assertEqual(client.ask("x" * 1000 + "@local.example").result, NOT_VALID)
        self.assertEqual(client.ask("lost-x@local.example").result, UNDECIDED)
        self.assertIsNone(client.legacy("lost-x@local.example", timeout=0.2))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(policy)
            stream.settimeout(10)
            for words, answer in ((b"protocol_state=RCPT\nrecipient=joe@local.example", b"DUNNO"),
                                  (b"protocol_state=DATA\nrecipient=", b"DUNNO")):
                stream.sendall(b"request=smtpd_access_policy\n" + words + b"\n\n")
                self.assertIn(answer, stream.recv(4096))
            stream.sendall(b"nonsense\n\n")
            self.assertEqual(stream.recv(4096), b"")
        after = lib.counters_of(verify, descendants(verify.pid))
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        for name in ("waited", "looks", "helpers", "helpers_started"):
            self.assertGreaterEqual(grown.pop(name, 0), 0)
        self.assertEqual(grown, {
            "extended": 5, "legacy": 3, "stream": 1, "too_long": 1, "other": 1, "malformed": 1,
            "valid": 4, "not_valid": 3, "undecided": 2, "silent": 1, "accepted": 1})
        self.assertGreater(after["looks"], 0)
        self.assertEqual((after["parked"], after["helpers_lost"]), (0, 0))
        self.assertEqual(verify.stop(), 0)
        self.assertRegex(verify.log().splitlines()[-1], "^counters legacy=")

    def test_hup_and_children_do_not_disturb(self):
        verify = self.start_verify(self.tree)
        client = self.client(verify)
        for _ in range(20):
            verify.send_signal(signal.SIGHUP)
            self.assertEqual(client.ask("joe@local.example").result, VALID)


class ChangedFiles(Daemon):
    def test_control_file_within_a_second(self):
        client = self.client(self.start_verify(self.tree))
        self.assertEqual(client.ask("x@new.example").result, VALID)
        self.tree.control("locals", "local.example", "new.example")
        self.becomes(client, "x@new.example", NOT_VALID)

    def test_virtualdomains_within_a_second(self):
        client = self.client(self.start_verify(self.tree))
        self.tree.control("virtualdomains", "new.example:virt")
        self.becomes(client, "x@new.example", NOT_VALID)
        self.assertEqual(client.ask("info@new.example").result, VALID)
        self.assertEqual(client.ask("other@virtual.example").position, 1)

    def test_users_cdb_replaced(self):
        client = self.client(self.start_verify(self.tree))
        self.assertEqual(client.ask("newcomer@local.example").result, NOT_VALID)
        self.tree.user("newcomer", maildir=True)
        self.tree.compile()
        self.becomes(client, "newcomer@local.example", VALID)

    def test_dot_file_added_and_removed(self):
        client = self.client(self.start_verify(self.tree, CACHETTL=0))
        self.assertEqual(client.ask("mary-new@local.example").result, NOT_VALID)
        path = self.tree.at("homes/mary/.qmail-new")
        lib.write_atomically(path, "./Maildir/\n")
        self.becomes(client, "mary-new@local.example", VALID)
        os.unlink(path)
        self.becomes(client, "mary-new@local.example", NOT_VALID)

    DAMAGES = ("truncated", "header only", "empty", "nonsense")

    def damaged(self, name):
        with open(self.tree.at("users/cdb"), "rb") as f:
            whole = f.read()
        return {"truncated": whole[:2100], "header only": whole[:1000], "empty": b"",
                "nonsense": b"\xff" * 4096}[name]

    def test_damaged_users_cdb_at_start(self):
        """Cannot tell now, for whom it would have been asked; a line in the log; whole again it
        is used."""
        for name in self.DAMAGES:
            with self.subTest(name):
                self.tree.compile()
                lib.write_atomically(self.tree.at("users/cdb"), self.damaged(name))
                verify = self.start_verify(self.tree)
                client = self.client(verify)
                self.assertEqual(client.ask("joe@local.example").result, UNDECIDED)
                self.assertEqual(client.ask("anything@relay.example").result, VALID)
                verify.wait_log("users/cdb")
                self.tree.compile()
                self.becomes(client, "joe@local.example", VALID)
                verify.stop()

    def test_damaged_users_cdb_replaces_a_whole_one(self):
        """What was true before may no longer be: cannot tell now, until it is whole again."""
        verify = self.start_verify(self.tree)
        client = self.client(verify)
        for name in self.DAMAGES:
            with self.subTest(name):
                self.assertEqual(client.ask("joe@local.example").result, VALID)
                lib.write_atomically(self.tree.at("users/cdb"), self.damaged(name))
                self.becomes(client, "joe@local.example", UNDECIDED)
                self.assertEqual(client.ask("anything@relay.example").result, VALID)
                self.tree.compile()
                self.becomes(client, "joe@local.example", VALID)
        self.assertRegex(verify.log(), "users/cdb")

    def test_users_cdb_cut_short_in_place(self):
        """What was mapped is gone: cannot tell now, the daemon stays up."""
        verify = self.start_verify(self.tree)
        client = self.client(verify)
        self.assertEqual(client.ask("joe@local.example").result, VALID)
        os.truncate(self.tree.at("users/cdb"), 100)
        self.becomes(client, "joe@local.example", UNDECIDED)
        self.assertTrue(verify.alive())

    @unittest.skipUnless(lib.IS_ROOT, "needs root: the front must be somebody else than the owner")
    def test_unreadable_control_file_keeps_the_old_one(self):
        verify = self.start_verify(self.tree)
        client = self.client(verify)
        lib.write_atomically(self.tree.at("control/locals"), "new.example\n", mode=0o600)
        lib.wait_until(lambda: client.ask("joe@local.example") and "control/locals" in verify.log(),
                       5, "a line about control/locals")
        self.assertEqual(client.ask("joe@local.example").result, VALID)
        self.assertEqual(client.ask("x@new.example").position, 1)


class LegacyTemp(Daemon):
    """Undecided is never sent to a client that would take it for a refusal."""

    def setUp(self):
        super().setUp()
        lib.write_atomically(self.tree.at("users/cdb"), b"nonsense")

    def answer(self, **env):
        verify = self.start_verify(self.tree, wait=False, **env)
        client = self.client(verify)
        lib.wait_until(lambda: client.raw(b"x@relay.example", timeout=0.2), 20, "serving")
        self.becomes(client, "joe@local.example", UNDECIDED)
        return client.raw(b"joe@local.example", timeout=1)

    def test_default_is_ok(self):
        self.assertEqual(self.answer()[0] & 15, VALID)

    def test_ok(self):
        self.assertEqual(self.answer(LEGACYTEMP="ok")[0] & 15, VALID)

    def test_nok(self):
        self.assertEqual(self.answer(LEGACYTEMP="nok")[0] & 15, NOT_VALID)

    def test_silent(self):
        self.assertIsNone(self.answer(LEGACYTEMP="silent"))


class Homes(Daemon):
    def setUp(self):
        super().setUp()
        self.joe = self.tree.at("homes/joe")

    def result(self, client, address):
        return client.ask(address).result

    def test_symlink_loop(self):
        os.symlink(".qmail-loop", os.path.join(self.joe, ".qmail-loop"))
        client = self.client(self.start_verify(self.tree))
        self.assertEqual(self.result(client, "joe-loop@local.example"), UNDECIDED)

    def test_home_that_is_a_file(self):
        """A mailbox whose home is no directory cannot have the dot-file; it is never valid."""
        lib.write_atomically(self.tree.at("homes/odd"), "not a directory\n")
        self.tree.assign("+odd-:odd:61099:61099:%s:-::" % self.tree.at("homes/odd"))
        self.tree.compile()
        client = self.client(self.start_verify(self.tree))
        self.assertNotEqual(self.result(client, "odd-x@local.example"), VALID)

    def test_home_that_is_not_there(self):
        self.tree.assign("+gone-:gone:61099:61099:%s:-::" % self.tree.at("homes/gone"))
        self.tree.compile()
        client = self.client(self.start_verify(self.tree))
        self.assertNotEqual(self.result(client, "gone-x@local.example"), VALID)

    @unittest.skipUnless(lib.IS_ROOT, "needs root: homes of different owners")
    def test_symlink_into_a_closed_directory_gives_nothing_away(self):
        """CVE-2020-3812: what joe links to but may not see answers the same, there or not."""
        secret = self.at("secret")
        os.mkdir(secret, 0o700)
        lib.write_atomically(os.path.join(secret, "there"), "x")
        os.symlink(os.path.join(secret, "there"), os.path.join(self.joe, ".qmail-a"))
        os.symlink(os.path.join(secret, "missing"), os.path.join(self.joe, ".qmail-b"))
        client = self.client(self.start_verify(self.tree))
        a, b = client.ask("joe-a@local.example"), client.ask("joe-b@local.example")
        self.assertEqual((a.result, a.position, a.user, a.why), (b.result, b.position, b.user, b.why))
        self.assertNotEqual(a.result, VALID)

    @unittest.skipUnless(lib.IS_ROOT, "needs root: homes of different owners")
    def test_closed_homes_are_seen_by_their_owner(self):
        """Mode 0700 homes, in a directory the daemon's account may not read either."""
        path, uid, gid = self.tree.home("closed", files=(".qmail-yes",), mode=0o700)
        self.tree.assign("+closed-:closed:%d:%d:%s:-::" % (uid, gid, path))
        self.tree.compile()
        client = self.client(self.start_verify(self.tree))
        self.assertEqual(self.result(client, "closed-yes@local.example"), VALID)
        self.assertEqual(self.result(client, "closed-no@local.example"), NOT_VALID)

    @unittest.skipUnless(lib.IS_ROOT, "needs root: homes of different owners")
    def test_record_with_uid_0_is_never_followed(self):
        path = self.tree.at("homes/rootish")
        os.mkdir(path)
        lib.write_atomically(os.path.join(path, ".qmail-x"), "./Maildir/\n")
        self.tree.assign("+rootish-:root:0:0:%s:-::" % path)
        self.tree.compile()
        client = self.client(self.start_verify(self.tree))
        self.assertNotEqual(self.result(client, "rootish-x@local.example"), VALID)


class Passwd(Daemon):
    """Users by passwd, in a mount namespace with a passwd file of the test's own."""

    def setUp(self):
        super().setUp()
        os.unlink(self.tree.at("users/cdb"))
        self.passwd = self.at("passwd")
        self.wrap = lib.in_namespace(self.write_passwd())

    def entry(self, name, **kwargs):
        path, uid, gid = self.tree.home(name, **kwargs)
        return "%s:x:%d:%d::%s:/bin/false" % (name, uid, gid, path)

    def write_passwd(self, *more):
        """In place: what is mounted is this file, not this name."""
        if not hasattr(self, "entries"):
            self.entries = [
                "root:x:0:0::/root:/bin/sh", "%s:x:65534:65534::/:/bin/false" % lib.NOBODY,
                self.entry("alias", files=(".qmail-postmaster",)),
                self.entry("pat", files=(".qmail-list",)),
                self.entry("pat-sub", files=()),
                "relative:x:61090:61090::some/where:/bin/false",
                "nohome:x:61091:61091:::/bin/false",
                "stolen:x:61092:61092::%s:/bin/false" % self.tree.at("homes/pat")]
        with open(self.passwd, "w", encoding="ascii") as f:
            f.write("\n".join([*self.entries, *more]) + "\n")
        return self.passwd

    def test_rules(self):
        client = self.client(self.start_verify(self.tree, wrap=self.wrap))
        for address, result, position, user in (
                ("pat", VALID, 9, "pat"), ("PAT", VALID, 9, "pat"), ("pat-list", VALID, 10, "pat"),
                ("pat-other", NOT_VALID, 14, "pat"), ("pat-sub", VALID, 9, "pat-sub"),
                ("pat-sub-x", NOT_VALID, 14, "pat-sub"), ("postmaster", VALID, 10, "alias"),
                ("nosuch", NOT_VALID, 14, "alias"), ("root", NOT_VALID, 14, "alias"),
                ("stolen", NOT_VALID, 14, "alias")):
            with self.subTest(address):
                reply = client.ask(address + "@local.example")
                self.assertEqual((reply.result, reply.position, reply.user),
                                 (result, position, user))

    def test_odd_entries_are_never_valid(self):
        client = self.client(self.start_verify(self.tree, wrap=self.wrap))
        for address in ("relative", "nohome", "relative-x", "nohome-x"):
            with self.subTest(address):
                self.assertNotEqual(client.ask(address + "@local.example").result, VALID)

    def test_new_user_is_noticed(self):
        client = self.client(self.start_verify(self.tree, wrap=self.wrap))
        self.assertEqual(client.ask("newcomer@local.example").result, NOT_VALID)
        self.write_passwd(self.entry("newcomer"))
        self.becomes(client, "newcomer@local.example", VALID)


class Rights(Daemon):
    @unittest.skipUnless(lib.IS_ROOT, "needs root: without it nothing is given up")
    def test_front_has_given_up_everything(self):
        import pwd
        verify = self.start_verify(self.tree)
        nobody = pwd.getpwnam(lib.NOBODY)
        status = proc_status(verify.pid)
        self.assertEqual(status["Uid"], [str(nobody.pw_uid)] * 4)
        self.assertEqual(status["Gid"], [str(nobody.pw_gid)] * 4)
        self.assertEqual(int(status["CapEff"][0], 16), 0)
        self.assertEqual(int(status["CapPrm"][0], 16), 0)
        self.assertEqual(status["NoNewPrivs"], ["1"])

    def test_descriptors(self):
        """The front holds sockets and the log, no file of a home or of the system; a helper holds
        one socket, and not one that the network reaches."""
        verify = self.start_verify(self.tree)
        self.assertEqual(self.client(verify).ask("joe-list@local.example").result, VALID)
        allowed = ("/dev/null", "socket:", "pipe:", "anon_inode:", "/memfd:", verify.logfile)
        network = udp_inodes()
        for pid in [verify.pid, *descendants(verify.pid)]:
            links = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
            with self.subTest(pid=pid, name=proc_status(pid)["Name"]):
                self.assertEqual([k for k in links if not k.startswith(allowed)], [])
                reached = [k for k in links if k.startswith("socket:") and k[8:-1] in network]
                self.assertEqual(len(reached), 1 if pid == verify.pid else 0)

    def test_works_without_root(self):
        """Started by somebody else it answers for what that account may see."""
        words = []
        if lib.IS_ROOT:
            words = [lib.peer("setuidgid"), lib.NOBODY]
        verify = self.start_verify(self.tree, wrap=words)
        client = self.client(verify)
        self.assertEqual(client.ask("joe@local.example").result, VALID)
        self.assertEqual(client.ask("joe-list@local.example").result, VALID)


class Commands(Daemon):
    def verify(self, *args, **env):
        environment = lib.verify_environment(self.tree.path, "127.0.0.1:%d" % lib.free_port(), **env)
        return self.run_program([lib.program("qmail-verify"), *args], environment)

    def test_explain(self):
        for address, code in (("joe@local.example", 0), ("x@relay.example", 0),
                              ("nosuch@local.example", 100)):
            with self.subTest(address):
                got, out, _ = self.verify("--explain", address)
                self.assertEqual(got, code, out)
                self.assertIn(address, out)

    def test_explain_names_file_and_line(self):
        _, out, _ = self.verify("--explain", "joe@local.example")
        self.assertRegex(out, r"control/locals:1\b")

    def test_explain_undecided(self):
        lib.write_atomically(self.tree.at("users/cdb"), b"nonsense")
        self.assertEqual(self.verify("--explain", "joe@local.example")[0], 111)

    def test_check_config(self):
        """Nothing to complain about where there is an alias account, too."""
        passwd = self.at("passwd")
        home, uid, gid = self.tree.home("alias-account")
        with open("/etc/passwd", encoding="utf-8") as f:
            entries = [line for line in f if not line.startswith("alias:")]
        entries.append("alias:x:%d:%d::%s:/bin/false\n" % (uid, gid, home))
        lib.write_atomically(passwd, "".join(entries))
        environment = lib.verify_environment(self.tree.path, "127.0.0.1:%d" % lib.free_port())
        argv = [*lib.in_namespace(passwd), lib.program("qmail-verify"), "--check-config"]
        code, out, err = self.run_program(argv, environment)
        self.assertEqual(code, 0, out + err)

    def test_an_account_that_is_not_there(self):
        """A mistake to root, who would become it; worth a note to others, who would not."""
        code, out, err = self.verify("--check-config", VERIFYUSER="no-such-account")
        if lib.IS_ROOT:
            self.assertEqual((code, err.count("VERIFYUSER")), (111, 1), out + err)
            self.assertNotIn("note: environment VERIFYUSER", err)
            # The program where everybody may run it.
            program = shutil.copy(lib.program("qmail-verify"), self.dir)
            code, out, err = self.run_program(
                [program, "--check-config"], lib.verify_environment(
                    self.tree.path, "127.0.0.1:1", VERIFYUSER="no-such-account"), user=lib.NOBODY)
        self.assertEqual(code, 0, out + err)
        self.assertIn('note: environment VERIFYUSER: there is no account "no-such-account": '
                      'root cannot start it', err)

    def test_check_config_reports_every_mistake(self):
        lib.write_atomically(self.tree.at("users/cdb"), b"nonsense")
        code, out, err = self.verify("--check-config", LOG="some", LEGACYTEMP="perhaps")
        self.assertEqual((code, out), (111, ""))
        for line in ("^environment LOG: ", "^environment LEGACYTEMP: ", "users/cdb: "):
            self.assertRegex(err, re.compile(line, re.M))

    def test_settings_come_from_three_places(self):
        """The command line before the environment, that before control/."""
        def value(*options, **env):
            out = self.verify("--help", *options, **env)[1]
            return re.search(r"^  cachettl, CACHETTL\n.*\n +(.*)$", out, re.M).group(1)
        self.assertEqual(value(), '"1", default')
        self.tree.control("cachettl", "# seconds", "5")
        self.assertEqual(value(), '"5", control/cachettl:2')
        self.assertEqual(value(CACHETTL="6"), '"6", environment CACHETTL')
        self.assertEqual(value("-o", "cachettl=7", CACHETTL="6"), '"7", -o cachettl')
        self.tree.control("cachettl", "5s")
        code, _, err = self.verify("--check-config")
        self.assertEqual(code, 111)
        self.assertIn("control/cachettl:1: ", err)
        self.assertEqual(self.verify("--check-config", "-o", "nonsense=1")[0], 111)

    def test_version_and_help(self):
        code, out, _ = self.verify("--version")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"qmail-verify \d")
        code, out, _ = self.verify("--help")
        self.assertEqual(code, 0)
        for word in ("--explain", "--check-config", "LISTEN", "VERIFYUSER", "CACHETTL"):
            self.assertIn(word, out)

    def test_unknown_option(self):
        code, _, err = self.verify("--no-such-option")
        self.assertEqual(code, 100)
        self.assertTrue(err)


def udp_inodes():
    """The inodes of all UDP sockets of the machine."""
    found = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        if os.path.exists(table):
            with open(table, encoding="ascii") as f:
                found |= {line.split()[9] for line in f.readlines()[1:]}
    return found


if __name__ == "__main__":
    unittest.main()
