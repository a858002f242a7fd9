#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""The verification protocol over the wire: what the rules say, and every kind of bad input.

The expected answers are those of qmail-verify-protocol(7)."""

import unittest

import lib
from lib import NOT_VALID, VALID

LOCAL = "@local.example"

# (address, result, position, user): the rules of qmail over lib.small_tree.
RULES = [
    ("joe@local.example", VALID, 9, "joe"),
    ("JOE@Local.Example", VALID, 9, "joe"),
    ("joe@localhost", VALID, 9, "joe"),
    ("joe-list@local.example", VALID, 10, "joe"),
    ("joe-LIST@local.example", VALID, 10, "joe"),
    ("joe-team-x@local.example", VALID, 12, "joe"),
    ("joe-team-@local.example", VALID, 12, "joe"),
    ("joe-team@local.example", NOT_VALID, 14, "joe"),
    ("joe-other@local.example", NOT_VALID, 14, "joe"),
    ("mary@local.example", VALID, 9, "mary"),
    ("mary-list@local.example", NOT_VALID, 14, "mary"),
    ("postmaster@local.example", VALID, 10, "alias"),
    ("nobody-here@local.example", NOT_VALID, 14, "alias"),
    ("info@virtual.example", VALID, 10, "virt"),
    ("sales-north@virtual.example", VALID, 12, "virt"),
    ("other@virtual.example", NOT_VALID, 14, "virt"),
    ("anything@team.example", VALID, 12, "team"),
    ("anything@relay.example", VALID, 1, ""),
    ("joe@sub.local.example", VALID, 1, ""),
    # Without a domain it is judged under control/me (CVE-2020-3811).
    ("joe", VALID, 9, "joe"),
    ("no-such-user", NOT_VALID, 14, "alias"),
    # The last @ counts.
    ("a@b@relay.example", VALID, 1, ""),
    ("joe@relay.example@local.example", NOT_VALID, 14, "alias"),
    # Nothing before the @: an empty local part.
    ("@local.example", NOT_VALID, 14, "alias"),
    ("@virtual.example", NOT_VALID, 14, "virt"),
    ("@team.example", VALID, 12, "team"),
    ("@relay.example", VALID, 1, ""),
    ("@@local.example", NOT_VALID, 14, "alias"),
    # control/percenthack
    ("joe%local.example@hack.example", VALID, 9, "joe"),
    ("nosuch%local.example@hack.example", NOT_VALID, 14, "alias"),
    ("joe%local.example%hack.example%hack.example@hack.example", VALID, 9, "joe"),
    ("%" * 400 + "@hack.example", NOT_VALID, 0, ""),
    # Never a way out of a home.
    ("joe-../../mary/.qmail@local.example", NOT_VALID, 14, "joe"),
    ("joe-list/../../mary@local.example", NOT_VALID, 14, "joe"),
    ("../../../../etc/passwd@local.example", NOT_VALID, 14, "alias"),
    ('"joe"@local.example', NOT_VALID, 14, "alias"),
    ("joe@local.example ", VALID, 1, ""),  # a domain of another name
    ("j\udcf6e@local.example", NOT_VALID, 14, "alias"),
    ("j\udcf6e@relay.example", VALID, 1, ""),
]

# (name, address, why) that are not valid whatever the tree says.
REFUSED = [
    ("empty", b"", "syntax"),
    ("only @", b"@", "syntax"),
    ("no domain after @", b"user@", "syntax"),
    ("control character", b"jo\x01e@local.example", "syntax"),
    ("line feed", b"joe@local.example\n", "syntax"),
    ("carriage return", b"joe\r@local.example", "syntax"),
    ("delete", b"joe\x7f@relay.example", "syntax"),
    ("901 bytes", b"a" * (901 - 14) + b"@relay.example", "too-long"),
    ("1100 bytes", b"a" * (1100 - 14) + b"@relay.example", "too-long"),
]


class Wire(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))
        self.tree.control("percenthack", "hack.example")
        self.verify = self.start_verify(self.tree)
        self.ask = self.client(self.verify)

    def test_rules_extended(self):
        for address, result, position, user in RULES:
            with self.subTest(address=address):
                reply = self.ask.ask(address)
                self.assertIsNotNone(reply, "no answer")
                self.assertEqual((reply.result, reply.position, reply.user),
                                 (result, position, user))
                self.assertEqual(reply.fields["v"], "2")

    def test_rules_legacy(self):
        """The same answers in one byte and a user, with and without the NUL at the end."""
        for address, result, position, user in RULES:
            data = address.encode("utf-8", "surrogateescape")
            for datagram in (data, data + b"\0"):
                with self.subTest(datagram=datagram):
                    self.assertEqual(self.ask.raw(datagram),
                                     bytes([position << 4 | result]) + user.encode())

    def test_refused(self):
        for name, address, why in REFUSED:
            with self.subTest(name):
                reply = self.ask.ask(address)
                self.assertEqual((reply.result, reply.why), (NOT_VALID, why))
                legacy = self.ask.raw(address)
                self.assertEqual(legacy[0] & 15, NOT_VALID)
                self.assertNotIn(b"\0", legacy)

    def test_longest_address_is_judged(self):
        """900 bytes are an address like another."""
        reply = self.ask.ask(b"a" * (900 - 14) + b"@relay.example")
        self.assertEqual((reply.result, reply.why), (VALID, "relay"))

    def test_datagrams_over_the_limit(self):
        """A datagram over 1200 bytes is not valid, whatever is in front; nothing is cut off and
        judged."""
        for size in (1201, 4096, 65507):
            for start in (b"joe@local.example", b"joe@local.example\0v=2\0", b"anyone@relay.example\0"):
                with self.subTest(size=size, start=start):
                    reply = self.ask.raw(start + b"x" * (size - len(start)))
                    self.assertIsNotNone(reply)
                    self.assertEqual(reply[0] & 15, NOT_VALID)

    def test_nul_first(self):
        """The address ends at the first NUL: this one is empty."""
        self.assertEqual(self.ask.raw(b"\0")[0] & 15, NOT_VALID)
        self.assertEqual(self.ask.raw(b"\0joe@local.example\0")[0] & 15, NOT_VALID)
        self.assertEqual(self.ask.ask(b"").why, "syntax")

    def test_extension_that_is_none(self):
        """Without v=2 in front and a well-formed id the query is a legacy one, as an old daemon
        would see it, and the reply has no NUL in it."""
        good_id = b"0123456789abcdef"
        for extension in (b"v=3\0id=" + good_id, b"v=2", b"v=2\0id=", b"v=2\0id=0123",
                          b"v=2\0id=" + b"g" * 16, b"v=2\0id=" + b"A" * 16, b"v=2\0id=" + b"a" * 33,
                          b"id=" + good_id, b"id=" + good_id + b"\0v=2", b"junk", b"=", b"\0\0\0"):
            with self.subTest(extension=extension):
                self.assertEqual(self.ask.raw(b"joe@local.example\0" + extension + b"\0"),
                                 b"\x90joe")

    def test_unknown_fields_are_passed_over(self):
        reply = self.ask.ask("joe@local.example", client="192.0.2.1", helo="x", sender="a@b",
                             colour="blue", **{"": "", "v2": "3"})
        self.assertEqual((reply.result, reply.user), (VALID, "joe"))

    def test_same_query_twice_same_answer(self):
        """A resend has the same id, and gets the same answer."""
        query = lib.encode_query("joe@local.example", id="ab" * 16)
        first, second = self.ask.raw(query), self.ask.raw(query)
        self.assertEqual(first, second)
        self.assertEqual(lib.Reply(first).id, "ab" * 16)

    def test_noise_does_no_harm(self):
        """A few thousand random datagrams, and the verifier answers as before."""
        import random
        dice = random.Random(2)
        for _ in range(3000):
            self.ask.socket.send(dice.randbytes(dice.choice((1, 3, 20, 200, 1200))))
        fresh = self.client(self.verify)
        lib.wait_until(lambda: fresh.ask("joe@local.example", timeout=1), what="an answer")
        self.assertTrue(self.verify.alive())

    def test_log_has_no_byte_a_remote_chose(self):
        """Whatever is asked, the log is printable lines of key=value."""
        self.ask.ask(b"x result=valid\x1b[2J\xff\n@relay.example", client="9\x1b", helo="\x07",
                     sender="\n")
        self.ask.ask("marker@relay.example")
        self.verify.wait_log("marker@relay.example")
        with open(self.verify.logfile, "rb") as f:
            for line in f.read().split(b"\n"):
                self.assertNotRegex(line, rb"[^\x20-\x7e]")


if __name__ == "__main__":
    unittest.main()
