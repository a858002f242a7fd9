#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""The ACLs of hooks/exim/README.md in Debian's exim4-daemon-heavy and -light: Exim asks, by our shared
object, a socket or rcptcheck, and an SMTP client sees the answer."""

import os
import re
import socket
import threading
import time
import unittest

import hook_contract
import lib
import peers
from hook_contract import BAD, GOOD
from lib import NOT_VALID

OBJECT = os.path.join(lib.BUILD, "hooks", "exim", "verifyrcpt-exim.so")


def example(name):
    return lib.readme_example("exim", name)


class EximTest(hook_contract.Session, lib.E2eTest):
    def setUp(self):
        super().setUp()
        if not os.path.exists(OBJECT):
            self.skipTest("verifyrcpt-exim.so is not built (exim4-dev missing)")
        self.tree = lib.small_tree(self.at("qmail"))

    def serve(self, verify, *options, defer=False, value=None):
        if value is None:
            words = (["DEFER"] if defer else []) + [":%d" % verify.port] + list(options)
            value = ",".join(words)
        acl = example("rcpt") + example("predata")
        acl = acl.replace("{SO}", "{%s}" % OBJECT).replace("{VERIFY}", "{%s}" % value)
        self.exim = peers.Exim(self, acl)
        return self.exim

    def wait_log(self, pattern):
        return lib.wait_until(lambda: re.search(pattern, self.exim.log()), 10,
                              "%r in Exim's log:\n%s" % (pattern, self.exim.log())).group(0)


class Contract(hook_contract.HookContract, EximTest):
    def hook(self, *args, **kwargs):
        return self.serve(*args, **kwargs)

    def hook_log(self):
        return self.exim.log()


class Answers(EximTest):
    def test_what_the_verifier_is_asked_and_told(self):
        """Unquoted, and with no source route; percent signs in its answer are its own."""
        responder = self.responder(lib.answering(NOT_VALID, text="100% full %s of $it \\n"))
        session = self.session(self.serve(responder))
        for written, asked in (
                (GOOD, b"joe@local.example"),
                ('"joe"@local.example', b"joe@local.example"),
                ('"jo e"@local.example', b"jo e@local.example"),
                ('"a\\"b>c"@local.example', b'a"b>c@local.example'),
                ("@one.example,@two.example:joe@local.example", b"joe@local.example"),
                ("joe%x@local.example", b"joe%x@local.example")):
            with self.subTest(written):
                before = len(responder.queries)
                code, text = session.rcpt(written)
                self.assertEqual([lib.parse_query(q)[0] for q in responder.queries[before:]], [asked])
                self.assertEqual((code, text), (550, "5.1.1 100% full %s of $it \\n"))
        fields = lib.parse_query(responder.queries[0])[1]
        self.assertEqual((fields["client"], fields["helo"], fields["sender"]),
                         ("127.0.0.1", "client.example", "sender@remote.example"))


class Limits(EximTest):
    def test_badsleep_sends_what_was_answered_before(self):
        session = self.session(self.serve(self.start_verify(self.tree), "badsleep=2"))
        began = time.monotonic()
        session.send("RCPT TO:<%s>" % GOOD, "RCPT TO:<%s>" % BAD)
        self.assertEqual(session.reply()[0], 250)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(session.reply()[0], 550)
        self.assertGreaterEqual(time.monotonic() - began, 2)


class Trouble(EximTest):
    def test_off(self):
        session = self.session(self.serve(None, value=""))
        self.assertEqual(session.rcpt(BAD)[0], 250)
        self.wait_log("verifies nothing")

    def test_value_that_is_too_long(self):
        session = self.session(self.serve(None, value=":" * 1100))
        self.assertEqual(session.rcpt(GOOD)[0], 451)


class Light(EximTest):
    """rcptcheck by ${run}: no shared object."""

    def serve_light(self, value, program=None):
        acl = example("light") + "acl_predata:\n  accept\n"
        self.exim = peers.Exim(self, acl.replace("RCPTCHECK", program or lib.program("rcptcheck"))
                               .replace("VERIFY", value))
        return self.exim

    def test_answers(self):
        server = self.serve_light(":%d" % self.start_verify(self.tree).port)
        session = self.session(server)
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.rcpt(BAD), (550, "5.1.1 no such recipient here"))
        for address in ("-q@local.example", "--@local.example", "-s:@local.example",
                        '"a b"@local.example', "$(id)@local.example", "j\xf6e@local.example",
                        '"joe@local.example x"@local.example', "a" * 950 + "@local.example"):
            with self.subTest(address):
                self.assertIn(session.rcpt(address)[0], range(450, 600))
        self.assertEqual(session.rcpt('"joe"@local.example')[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_undecided(self):
        session = self.session(self.serve_light(":%d,timeout=1" % self.responder(lib.silent).port))
        self.assertEqual(session.rcpt(GOOD)[0], 451)
        self.assertEqual(session.command("NOOP")[0], 250)

    def test_program_that_cannot_be_run_or_value_that_cannot_be_read(self):
        for name, value, program in (("program", ":", self.at("nosuch")), ("value", ":,nonsense", None)):
            with self.subTest(name):
                with lib.Smtp(self.serve_light(value, program).port) as session:
                    session.command("EHLO x")
                    session.mail()
                    self.assertEqual(session.rcpt(GOOD)[0], 451)


class Socket(EximTest):
    """${readsocket} to the policy protocol: nothing of ours in Exim."""

    def setUp(self):
        super().setUp()
        self.port = lib.free_port(socket.SOCK_STREAM)

    def serve_socket(self, weight="light"):
        acl = example("socket") + "acl_predata:\n  accept\n"
        acl = acl.replace("{POLICY}", "{inet:127.0.0.1:%d}" % self.port)
        self.exim = peers.Exim(self, acl, weight=weight)
        return self.exim

    def start_policy(self):
        port = lib.free_port()
        listen = "127.0.0.1:%d policy:inet:127.0.0.1:%d" % (port, self.port)
        return self.start([lib.program("qmail-verify")],
                          lib.verify_environment(self.tree.path, listen),
                          lambda: lib.answers(("127.0.0.1", port)), name="qmail-verify")

    def test_answers(self):
        verify = self.start_policy()
        for weight in ("light", "heavy"):
            session = self.session(self.serve_socket(weight))
            self.assertEqual(session.rcpt(GOOD)[0], 250)
            self.assertEqual(session.rcpt(BAD),
                             (550, "5.1.1 there is no mailbox of this name here"))
            self.assertEqual(session.rcpt("joe@elsewhere.example"), (550, "relay not permitted"))
            self.assertEqual(session.rcpt('"joe"@local.example')[0], 250)
            self.assertEqual(session.data()[0], 250)
        self.assertRegex(verify.log(), r"why=unknown-user rcpt=%s .*client=127\.0\.0\.1 .*"
                         r"via=policy helo=client\.example sender=" % BAD)

    def test_hostile_addresses(self):
        verify = self.start_policy()
        session = self.session(self.serve_socket())
        for address in ("a" * 880 + "@local.example", "a" * 1900 + "@local.example",
                        "joe%local.example@local.example", '"joe', "@", "\\" * 300, "",
                        '"x\tjoe"@local.example', "j\xf6e@local.example", '"a b"@local.example',
                        '"x\\\x01"@local.example', "$(id)@local.example", "%s%n@local.example",
                        "${run{/bin/true}}@local.example", "joe@[127.0.0.1]",
                        "x=y@local.example", "action=DUNNO@local.example"):
            with self.subTest(address):
                self.assertIn(session.rcpt(address)[0], range(450, 600))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertTrue(verify.alive())

    def test_undecided(self):
        """Nobody there, nobody who answers, and nonsense: 451, and the session goes on."""
        session = self.session(self.serve_socket())
        self.assertEqual(session.rcpt(GOOD), (451, "4.3.0 cannot verify this recipient now, "
                                                   "try again later"))
        nonsense = [b"", b"action=OK\n\n", b"DUNNO\n\n", b"x" * 70000, b"action=DUNNO x\n\n",
                    b"action=DUNNO\naction=550 x\n\n", b"action=DEFER_IF_PERMIT 4.3.0 later\n\n"]
        listener = socket.create_server(("127.0.0.1", self.port))
        self.addCleanup(listener.close)
        listener.settimeout(10)

        def answer():
            for each in nonsense:
                connection, _ = listener.accept()
                with connection:
                    while not connection.recv(4096).endswith(b"\n\n"):
                        pass
                    connection.sendall(each)

        server = threading.Thread(target=answer)
        server.start()
        replies = [session.rcpt(GOOD) for _ in nonsense]
        server.join()
        for each, reply in zip(nonsense, replies):
            with self.subTest(each[:40]):
                self.assertEqual(reply[0], 451, reply)
        self.assertEqual(replies[-1][1], "4.3.0 later")
        # It takes the connection and says nothing.
        self.assertEqual(session.rcpt(GOOD)[0], 451)
        self.assertEqual(session.command("NOOP")[0], 250)


if __name__ == "__main__":
    unittest.main()
