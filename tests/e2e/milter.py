#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""rcptmilter under Postfix's smtpd_milters: the answers of qmail-verify as an SMTP client sees them."""

import os
import re
import signal
import socket
import tempfile
import time
import unittest

import hook_contract
import lib
import peers
from hook_contract import BAD, GOOD
from lib import VALID

# One Postfix for all; each test has a milter of its own at its port.
SHARED = {}
MILTER = os.path.join(lib.BUILD, "hooks", "milter", "rcptmilter")


def setUpModule():
    if not os.access(MILTER, os.X_OK):
        raise unittest.SkipTest("rcptmilter is not built (libmilter-dev missing)")
    directory = tempfile.TemporaryDirectory(prefix="qv-postfix-")
    unittest.addModuleCleanup(directory.cleanup)
    os.chmod(directory.name, 0o755)
    SHARED["port"] = lib.free_port(socket.SOCK_STREAM)
    SHARED["postfix"] = peers.Postfix(directory.name,
                                      "smtpd_milters = inet:127.0.0.1:%d" % SHARED["port"],
                                      "milter_default_action = tempfail")
    unittest.addModuleCleanup(SHARED["postfix"].stop)


class MilterTest(hook_contract.Session, lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))

    def start_milter(self, verify=None, *options, defer=False, value=None, **env):
        """rcptmilter asking this verifier, where Postfix looks for it."""
        if value is None:
            words = (["DEFER"] if defer else []) + [":%d" % verify.port] + list(options)
            value = ",".join(words)
        port = SHARED["port"]
        process = self.start([MILTER], {"LISTEN": "inet:%d@127.0.0.1" % port, "VERIFY": value, **env},
                             lambda: lib.accepts(port), name="rcptmilter")
        self.addCleanup(process.stop, signal.SIGKILL)  # libmilter takes five seconds over SIGTERM
        return process

    def serve(self, *args, **kwargs):
        """Postfix with rcptmilter; the milter's Process is self.milter."""
        self.milter = self.start_milter(*args, **kwargs)
        return SHARED["postfix"]

    def ask(self, server, address):
        """The reply to one RCPT in a session of its own."""
        with lib.Smtp(server.port) as session:
            session.command("EHLO client.example")
            session.mail()
            return session.rcpt(address)


class Contract(hook_contract.HookContract, MilterTest):
    def hook(self, *args, **kwargs):
        return self.serve(*args, **kwargs)

    def hook_log(self):
        return self.milter.log()


class Answers(MilterTest):
    def test_addresses_are_unquoted_before_they_are_asked(self):
        """What the verifier gets, whatever the way the client wrote it."""
        responder = self.responder(lib.answering(VALID))
        server = self.serve(responder)
        for written, asked in (
                ('"joe"@local.example', b"joe@local.example"),
                ('"jo e"@local.example', b"jo e@local.example"),
                ('"a\\"b>c"@local.example', b'a"b>c@local.example'),
                ("@one.example,@two.example:joe@local.example", b"joe@local.example"),
                ("joe%25x@local.example", b"joe%25x@local.example"),
                ("joe@[127.0.0.1]", b"joe@[127.0.0.1]")):
            with self.subTest(written):
                before = len(responder.queries)
                code, text = self.ask(server, written)
                if code == 250:
                    self.assertEqual([lib.parse_query(q)[0] for q in responder.queries[before:]],
                                     [asked])
                else:  # Postfix itself does not take it
                    self.assertGreaterEqual(code, 500, text)
        self.assertGreaterEqual(len(responder.queries), 3)


class Defer(MilterTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(self.start_verify(self.tree), defer=True)

    def test_the_next_message_begins_anew(self):
        session = self.session(self.server)
        self.assertEqual(session.rcpt(BAD)[0], 250)
        self.assertEqual(session.data()[0], 554)
        session.command("RSET")
        self.assertEqual(session.mail()[0], 250)
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.data()[0], 250)


class Limits(MilterTest):
    def test_sessions_do_not_share_their_count(self):
        server = self.serve(self.start_verify(self.tree), "maxbad=1")
        sessions = [self.session(server) for _ in range(5)]
        self.assertEqual([s.rcpt(BAD)[0] for s in sessions], [550] * 5)

    def test_badsleep_of_one_session_is_not_anothers(self):
        server = self.serve(self.start_verify(self.tree), "badsleep=2")
        waiting, other = self.session(server), self.session(server)
        began = time.monotonic()
        waiting.send("RCPT TO:<%s>" % BAD)
        self.assertEqual(other.rcpt(GOOD)[0], 250)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(waiting.reply()[0], 550)
        self.assertGreaterEqual(time.monotonic() - began, 2)


class Trouble(MilterTest):
    def test_value_that_cannot_be_read(self):
        """The reason in the log at the start, 421 at RCPT."""
        for value, env in ((":,nonsense", {}), (":", {"VERIFYDEFER": ""})):
            with self.subTest(value):
                server = self.serve(value=value, **env)
                self.milter.wait_log("VERIFY")
                self.assertEqual(self.ask(server, GOOD)[0], 421)
                self.milter.stop(signal.SIGKILL)

    def test_off(self):
        server = self.serve(value="")
        self.milter.wait_log("verifies nothing")
        self.assertEqual(self.ask(server, BAD)[0], 250)

    def test_relayclient_in_its_own_environment_means_nothing(self):
        """It is said of one SMTP session; the milter serves them all."""
        server = self.serve(self.start_verify(self.tree), RELAYCLIENT="")
        self.assertEqual(self.ask(server, BAD)[0], 550)

    def test_milter_restarted(self):
        """Postfix defers while it is away, and finds the new one."""
        verify = self.start_verify(self.tree)
        server = self.serve(verify)
        self.assertEqual(self.milter.stop(), 0)
        with lib.Smtp(server.port) as session:
            codes = [session.greeting[0], session.command("EHLO x")[0], session.mail()[0],
                     session.rcpt(GOOD)[0]]
            self.assertIn(codes[-1], (451, None, 503), codes)
        self.start_milter(verify)
        self.assertEqual(self.ask(server, GOOD)[0], 250)

    def test_usr1_logs_the_counters(self):
        server = self.serve(self.start_verify(self.tree), "maxbad=2")
        before = lib.counters_of(self.milter)
        with lib.Smtp(server.port) as session:
            session.command("EHLO client.example")
            session.mail()
            for address, code in ((GOOD, 250), (GOOD, 250), (BAD, 550), (BAD, 550), (GOOD, 421)):
                self.assertEqual(session.rcpt(address)[0], code)
            during = lib.counters_of(self.milter)
        grown = {name: during[name] - before[name] for name in during}
        self.assertEqual(grown, {
            "sessions": 1, "open": during["open"] - before["open"], "valid": 2, "not_valid": 2,
            "undecided": 0, "not_asked": 1, "authenticated": 0, "refused": 2, "deferred": 1})
        lib.wait_until(lambda: lib.counters_of(self.milter)["open"] == 0, 10, "no session open")
        self.assertEqual(self.ask(server, GOOD)[0], 250)

    def test_unix_socket(self):
        """Under a path, with the mode that was asked for; an old socket is no obstacle."""
        path = self.at("milter.sock")
        for number in range(2):
            process = self.start([MILTER], {"LISTEN": "unix:" + path, "LISTENMODE": "666",
                                                      "VERIFY": ":"},
                                 lambda: os.path.exists(path), name="rcptmilter")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o666)
            process.stop(signal.SIGKILL if number == 0 else signal.SIGTERM)

    def test_mistakes_at_the_start(self):
        for env, words in (({"LISTEN": "nonsense:5"}, "LISTEN|cannot listen"),
                           ({"LISTEN": "unix:" + self.at("no", "such")}, "cannot listen"),
                           ({"LISTENMODE": "rw"}, "LISTENMODE")):
            with self.subTest(env):
                code, _, err = self.run_program([MILTER], {"VERIFY": ":", **env}, seconds=20)
                self.assertEqual(code, 111)
                self.assertTrue(re.search(words, err), err)
        self.assertEqual(self.run_program([MILTER, "--nonsense"])[0], 100)
        self.assertEqual(self.run_program([MILTER, "--version"])[0], 0)


if __name__ == "__main__":
    unittest.main()
