#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-verify under the real daemontools, with the run script that is installed, which
finds the program of this build."""

import os
import re
import socket
import unittest

import lib
from lib import VALID

GOOD, BAD = "joe@local.example", "nosuch@local.example"


class Supervise(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))
        self.port = lib.free_port()
        with open(os.path.join(lib.TOP, "service/qmail-verify/run"), encoding="utf-8") as f:
            run = f.read()
        self.assertIn("\nPATH=", run)
        run = run.replace("\nPATH=", "\nPATH=%s/bin:" % lib.BUILD)
        self.policy_port = lib.free_port(socket.SOCK_STREAM)
        env = lib.verify_environment(self.tree.path, "127.0.0.1:%d policy:inet:127.0.0.1:%d" % (
            self.port, self.policy_port), LOG="all")
        directory = self.at("service", "qmail-verify", "env")
        os.makedirs(directory)
        for name, value in env.items():
            lib.write_atomically(os.path.join(directory, name), value + "\n")
        with open(os.path.join(lib.TOP, "service/qmail-verify/log/run"), encoding="utf-8") as f:
            log = f.read()
        self.assertIn("exec setuidgid qmaill multilog t ", log)
        log = log.replace("setuidgid qmaill multilog", lib.peer("multilog"))  # no such account here
        self.supervisor = self.start_svscan({"qmail-verify": run, "qmail-verify/log": log})
        self.serving()
        self.ask = self.client(("127.0.0.1", self.port))

    def serving(self):
        lib.wait_until(lambda: lib.answers(("127.0.0.1", self.port)), 20, "an answer")

    def pid(self):
        return lib.wait_until(lambda: self.supervisor.pid("qmail-verify"), what="service up")

    def log(self):
        path = self.supervisor.at("qmail-verify/log/main/current")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def test_log_goes_through_multilog(self):
        """Time stamp, then key=value."""
        self.ask.ask("joe-other@local.example", client="192.0.2.7")
        lib.wait_until(lambda: "joe-other@local.example" in self.log(), what="the log line")
        line = [s for s in self.log().splitlines() if "joe-other@" in s][0]
        self.assertRegex(line, r"^@[0-9a-f]{24} .*\b\w+=\S")
        self.assertIn("192.0.2.7", line)

    def test_filter_of_fail2ban(self):
        """The filter of qmail-verify(8), as a reader copies it, finds who tries names that are not
        there, and nobody else."""
        regex = lib.peer("fail2ban-regex")
        manual = os.path.join(lib.TOP, "man/qmail-verify.8")
        page = self.run_program([lib.peer("mandoc"), "-T", "utf8", manual])[1]
        page = re.sub(".\b", "", page)  # bold and underlined
        block = re.search(r"^ *\[Definition\]\n(?: +\w+ = .*\n)+", page, re.M).group(0)
        filter_file = self.at("qmail-verify.conf")
        lib.write_atomically(filter_file, re.sub("^ +", "", block, flags=re.M))

        self.ask.ask(BAD, client="192.0.2.7", helo="mx.example.net", sender="eve@example.net")
        self.ask.ask("nobody@local.example", client="2001:db8::7")
        # A date, and another client, in the address: both are the guesser's words.
        self.ask.ask("2001-01-01T00:00:00@local.example", client="192.0.2.8")
        self.ask.ask("x client=198.51.100.1 y@local.example", client="192.0.2.9")
        with socket.create_connection(("127.0.0.1", self.policy_port), timeout=10) as policy:
            request = {"request": "smtpd_access_policy", "protocol_state": "RCPT",
                       "helo_name": "client=198.51.100.2", "sender": "x client=198.51.100.2 y@z",
                       "recipient": BAD, "client_address": "192.0.2.10"}
            policy.sendall(("".join("%s=%s\n" % f for f in request.items()) + "\n").encode())
            self.assertIn(b"action=550", policy.recv(1000))
        guessers = ["192.0.2.7", "2001:db8::7", "192.0.2.8", "192.0.2.9", "192.0.2.10"]
        self.ask.ask("joe-list@local.example", client="198.51.100.3")  # exists
        self.ask.ask("bob@elsewhere.example", client="198.51.100.4")  # is only relayed
        self.ask.ask("@", client="198.51.100.5")  # is no address
        self.ask.ask("client=198.51.100.7@local.example")  # is not the address of a client
        self.ask.ask(BAD, client="198.51.100.8.example.net")  # nor is this
        self.ask.ask("mary@local.example", client="198.51.100.6")
        lib.wait_until(lambda: "client=198.51.100.6" in self.log(), what="the last log line")

        command = [regex, "--usedns=no"]
        files = [self.supervisor.at("qmail-verify/log/main/current"), filter_file]
        said = self.run_program(command + files)[1]
        lines = len(self.log().splitlines())
        self.assertIn("Lines: %d lines, 0 ignored, %d matched, %d missed" % (
            lines, len(guessers), lines - len(guessers)), said)
        found = self.run_program(command + ["--out=ip"] + files)[1].split()
        self.assertEqual(found, guessers)

    def test_restarted_after_a_crash(self):
        first = self.pid()
        os.kill(first, 9)
        self.serving()
        self.assertNotEqual(self.pid(), first)
        self.assertEqual(self.ask.ask(GOOD).result, VALID)

    def test_client_notices_one_resend_at_most(self):
        """Restarted by svc -t again and again, while a client asks: every question is answered
        within the time that a resend takes."""
        for _ in range(3):
            self.supervisor.svc("-t", "qmail-verify")
            reply = lib.wait_until(lambda: self.ask.ask(GOOD, timeout=0.3), 5, "an answer")
            self.assertEqual(reply.result, VALID)

    def test_down_and_up_in_one_smtp_session(self):
        server = self.start_mailfront(':allow,VERIFY=":%d,timeout=1"\n' % self.port)
        session = self.smtp(server)
        self.assertEqual(session.command("EHLO x")[0], 250)
        self.assertEqual(session.mail()[0], 250)
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.supervisor.svc("-d", "qmail-verify")
        lib.wait_until(lambda: self.supervisor.pid("qmail-verify") is None, what="service down")
        self.assertEqual(session.rcpt("mary@local.example")[0], 451)
        self.supervisor.svc("-u", "qmail-verify")
        self.serving()
        self.assertEqual(session.rcpt("mary@local.example")[0], 250)
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertEqual(session.data()[0], 250)

    def test_hup(self):
        before = self.pid()
        self.tree.control("locals", "local.example", "new.example")
        self.supervisor.svc("-h", "qmail-verify")
        lib.wait_until(lambda: self.ask.ask("x@new.example").result != VALID, 3, "new locals")
        self.assertEqual(self.pid(), before)


if __name__ == "__main__":
    unittest.main()
