#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""The clients that qmail-verify-protocol(7) gives in Python and in Perl, as they stand there, ask the
real daemon and verifiers that misbehave."""

import os
import re
import sys
import time
import unittest

import lib
from lib import NOT_VALID, UNDECIDED, VALID

PAGE = os.path.join(lib.TOP, "man", "qmail-verify-protocol.7")
CALLS = {
    "python": """
host, _, port = sys.argv[2].rpartition(":")
print(*verify(os.fsencode(sys.argv[1]), (host, int(port)), float(sys.argv[3]), int(sys.argv[4])))
""",
    "perl": """
my ($result, $why) = verify(@ARGV);
print "$result $why\\n";
""",
}


def example(language):
    """The program in the page, with what mdoc makes of its escapes."""
    with open(PAGE, encoding="ascii") as f:
        text = f.read()
    found = re.search(r'^\.\\" example: %s\n\.Bd -literal\n(.*?)^\.Ed$' % language, text, re.M | re.S)
    return found.group(1).replace("\\&", "").replace("\\e", "\\")


class Example:
    """The tests of one language; the classes below say which."""

    language = ""
    interpreter = ()

    def setUp(self):
        super().setUp()
        self.program = self.at("client")
        with open(self.program, "w", encoding="ascii") as f:
            f.write(example(self.language) + CALLS[self.language])

    def ask(self, server, address, timeout=5, tries=3):
        """(result, why) of the example asking this verifier."""
        if isinstance(address, bytes):
            address = os.fsdecode(address)
        code, out, err = self.run_program([*self.interpreter(), self.program, address,
                                           "127.0.0.1:%d" % server.port, str(timeout), str(tries)])
        self.assertEqual((code, err), (0, ""))
        result, _, why = out.strip().partition(" ")
        return int(result), why

    def test_length(self):
        code = [line for line in example(self.language).splitlines() if line.strip()]
        self.assertLessEqual(len(code), 20)

    def test_the_real_daemon(self):
        verify = self.start_verify(lib.small_tree(self.at("qmail")))
        for address, expected in (("joe@local.example", (VALID, "local")),
                                  ("nosuch@local.example", (NOT_VALID, "unknown-user")),
                                  ("info@virtual.example", (VALID, "dotqmail")),
                                  ("any@team.example", (VALID, "default")),
                                  ("x@elsewhere.example", (VALID, "relay")),
                                  (b"j\xf6e@local.example", (NOT_VALID, "unknown-user")),
                                  ('"joe x"@local.example', (NOT_VALID, "unknown-user")),
                                  ("", (NOT_VALID, "syntax")),
                                  ("a" * 950 + "@local.example", (NOT_VALID, "syntax"))):
            with self.subTest(address):
                self.assertEqual(self.ask(verify, address), expected)

    def test_every_result(self):
        for sent, expected in ((VALID, VALID), (NOT_VALID, NOT_VALID), (UNDECIDED, UNDECIDED),
                               (7, UNDECIDED)):
            with self.subTest(sent):
                responder = self.responder(lib.answering(sent, why="word", position=0, user="why=no"))
                self.assertEqual(self.ask(responder, "a@b"), (expected, "word"))

    def test_forged_replies_are_passed_over(self):
        for forged, truth in ((VALID, NOT_VALID), (NOT_VALID, VALID)):
            with self.subTest(forged):
                responder = self.responder(lib.forging(forged, truth))
                self.assertEqual(self.ask(responder, "a@b")[0], truth)

    def test_silence_is_not_an_answer(self):
        """Three questions, one datagram; then it cannot tell, in time."""
        responder = self.responder(lib.silent)
        began = time.monotonic()
        self.assertEqual(self.ask(responder, "a@b", 1.5), (UNDECIDED, "timeout"))
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(len(responder.queries), 3)
        self.assertEqual(len(set(responder.queries)), 1)

    def test_ids_are_fresh(self):
        responder = self.responder(lib.answering(VALID))
        for _ in range(2):
            self.ask(responder, "a@b")
        ids = [lib.parse_query(query)[1]["id"] for query in responder.queries]
        self.assertEqual(len(set(ids)), 2)
        self.assertEqual([len(i) for i in ids], [32, 32])

    def test_nobody_there_and_then_somebody(self):
        gone = self.responder(lib.silent)
        gone.close()
        self.assertEqual(self.ask(gone, "a@b", 0.6), (UNDECIDED, "timeout"))

    def test_legacy_reply_is_no_answer(self):
        responder = self.responder(lambda data, count: [b"\x90joe", b"\x00", b""])
        self.assertEqual(self.ask(responder, "a@b", 0.6), (UNDECIDED, "timeout"))


class Python(Example, lib.E2eTest):
    language = "python"

    def interpreter(self):
        return [sys.executable]


class Perl(Example, lib.E2eTest):
    language = "perl"

    def interpreter(self):
        return [lib.peer("perl")]


if __name__ == "__main__":
    unittest.main()
