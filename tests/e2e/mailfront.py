#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""The main job with real peers: tcpserver hands VERIFY to mailfront by its rules, our plugin in
mailfront asks qmail-verify, and an SMTP client sees the answer."""

import os
import signal
import socket
import time
import unittest

import hook_contract
import lib
from hook_contract import BAD, GOOD
from lib import NOT_VALID, VALID



class MailfrontTest(hook_contract.Session, lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))

    def serve(self, verify, *options, defer=False, more="", **kwargs):
        """An SMTP server that verifies with these servers (":PORT" each) and options."""
        words = (["DEFER"] if defer else []) + [":%d" % v.port for v in verify] + list(options)
        server = self.start_mailfront(':allow,VERIFY="%s"%s\n' % (",".join(words), more), **kwargs)
        self.log = server
        return server


class Contract(hook_contract.HookContract, MailfrontTest):
    def hook(self, verify, *options, value=None, **kwargs):
        if value is None:
            return self.serve([verify], *options, **kwargs)
        self.log = self.start_mailfront(':allow,VERIFY="%s"\n' % value)
        return self.log

    def hook_log(self):
        return self.log.log()


class Answers(MailfrontTest):
    def setUp(self):
        super().setUp()
        self.verify = self.start_verify(self.tree)

    def test_accept(self):
        code, transcript = self.swaks(self.serve([self.verify]).port, GOOD)
        self.assertEqual(code, 0, transcript)

    def test_one_bad_recipient_does_not_spoil_the_others(self):
        session = self.session(self.serve([self.verify]))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertEqual(session.rcpt("mary@local.example")[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_defer(self):
        code, transcript = self.swaks(self.serve([self.verify], defer=True).port, BAD)
        self.assertNotEqual(code, 0, transcript)
        self.assertRegex(transcript, r"<-  250 .*\n")
        self.assertRegex(transcript, r"<\*\* 554 5\.1\.1 ")
        self.assertNotRegex(transcript, r" 550 ")

    def test_defer_with_good_recipients_only(self):
        code, transcript = self.swaks(self.serve([self.verify], defer=True).port, GOOD)
        self.assertEqual(code, 0, transcript)

    def test_second_message_in_a_deferring_session(self):
        session = self.session(self.serve([self.verify], defer=True))
        self.assertEqual(session.rcpt(BAD)[0], 250)
        self.assertEqual(session.data()[0], 554)
        self.assertEqual(session.mail()[0], 250)
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_relayclient_is_not_verified(self):
        server = self.serve([self.verify], more=',RELAYCLIENT=""')
        code, transcript = self.swaks(server.port, BAD)
        self.assertEqual(code, 0, transcript)

    def test_off(self):
        """VERIFY empty is off and said in the log; not set at all is off without a word."""
        server = self.start_mailfront(':allow,VERIFY=""\n')
        self.assertEqual(self.swaks(server.port, BAD)[0], 0)
        self.assertRegex(server.log(), r"VERIFY")

    def test_not_set(self):
        server = self.start_mailfront(":allow\n")
        self.assertEqual(self.swaks(server.port, BAD)[0], 0)

    def test_rules_that_are_installed(self):
        """The example compiles, and says what it is meant to say of these clients."""
        with open(os.path.join(lib.TOP, "service/smtpd/tcp.smtp"), encoding="ascii") as f:
            rules = self.smtp_rules(f.read())
        for client, words in (("127.0.0.1", ["RELAYCLIENT"]), ("198.51.100.9", ["VERIFY=DEFER"]),
                              ("203.0.113.1", ["VERIFY=:,", "maxbad=10"])):
            _, out, _ = self.run_program([lib.peer("tcprulescheck"), rules], {"TCPREMOTEIP": client})
            for word in words:
                self.assertIn(word, out)

    def test_rules_by_client_address(self):
        """127.0.0.1 is told one thing by the rules, the rest of the world another."""
        server = self.start_mailfront(
            '127.0.0.1:allow,VERIFY=":%d"\n:allow\n' % self.verify.port)
        self.assertEqual(self.session(server).rcpt(BAD)[0], 550)

    def test_maxbad(self):
        session = self.session(self.serve([self.verify], "maxbad=3"))
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.rcpt("b" + BAD)[0], 550)
        self.assertEqual(session.rcpt("c" + BAD)[0], 550)
        self.assertEqual(session.rcpt(GOOD)[0], 421)
        self.assertEqual(session.reply()[0], None)

    def test_maxbad_counts_over_messages(self):
        session = self.session(self.serve([self.verify], "maxbad=2"))
        for forget in ("RSET", "EHLO client.example"):
            self.assertEqual(session.rcpt(BAD)[0], 550)
            self.assertEqual(session.command(forget)[0], 250)
            self.assertEqual(session.mail()[0], 250)
        self.assertEqual(session.rcpt(BAD)[0], 421)

    def test_log_line(self):
        """One line per refusal, with the recipient, why and the controlling user."""
        server = self.serve([self.verify])
        self.session(server).rcpt("joe-other@local.example")
        line = server.wait_log(r"verifyrcpt: .*\brcpt=joe-other@local\.example.*").group(0)
        for word in ("result=not-valid", "why=unknown-user", "code=550", "user=joe", "client=127.0.0.1"):
            self.assertIn(word + " ", line)


class BadValues(MailfrontTest):
    """A value that cannot be parsed is a configuration error, not "off"."""

    def test_421_and_the_reason_in_the_log(self):
        for value in ("nonsense=1", ":,timeout=0", ":,timeout=x", "127.0.0.1:99999", "[::1", ":,,",
                      "VERIFY", "maxbad"):
            with self.subTest(value):
                server = self.start_mailfront(':allow,VERIFY="%s"\n' % value)
                session = self.smtp(server)
                codes = [session.greeting[0]]
                if codes[-1] == 220:
                    codes += [session.command("EHLO x")[0], session.mail()[0],
                              session.rcpt(GOOD)[0]]
                self.assertIn(421, codes)
                self.assertNotIn(550, codes)
                server.wait_log("VERIFY")

    def test_old_variables_are_refused_with_the_new_words(self):
        for old in ("VERIFYDEFER", "VERIFYSVR"):
            with self.subTest(old):
                server = self.start_mailfront(':allow,VERIFY=":",%s=""\n' % old)
                session = self.smtp(server)
                session.command("EHLO x")
                session.mail()
                session.rcpt(GOOD)
                server.wait_log(r"%s.*VERIFY=" % old)


class Trouble(MailfrontTest):
    """Whatever happens to the verifier, the SMTP session and its accepted recipients live on."""

    def test_verifier_down(self):
        dead = self.responder(lib.silent)
        dead.close()
        session = self.session(self.serve([dead], "timeout=1"))
        code, text = session.rcpt(GOOD)
        self.assertEqual((code, text[:5]), (451, "4.3.0"))
        self.assertEqual(session.command("NOOP")[0], 250)
        self.assertEqual(session.command("RSET")[0], 250)

    def test_verifier_silent(self):
        session = self.session(self.serve([self.responder(lib.silent)], "timeout=1", "tries=3"))
        began = time.monotonic()
        self.assertEqual(session.rcpt(GOOD)[0], 451)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(session.command("NOOP")[0], 250)

    def test_accepted_recipients_survive_a_timeout(self):
        def first_only(data, count):
            return lib.answering(VALID)(data, count) if count == 0 else []
        session = self.session(self.serve([self.responder(first_only)], "timeout=1"))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.rcpt("mary@local.example")[0], 451)
        self.assertEqual(session.data()[0], 250)

    def test_restarted_in_mid_session(self):
        verify = self.start_verify(self.tree)
        session = self.session(self.serve([verify], "timeout=20", "tries=10"))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        verify.stop(signal.SIGKILL)
        session.send("RCPT TO:<%s>" % BAD)  # asked while nobody is there
        self.start_verify(self.tree, verify.port, wait=False)
        self.assertEqual(session.reply()[0], 550)
        self.assertEqual(session.rcpt("mary@local.example")[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_first_server_dead(self):
        verify = self.start_verify(self.tree)
        for name, first in (("closed", None), ("silent", lib.silent)):
            with self.subTest(name):
                dead = self.responder(first or lib.silent)
                if first is None:
                    dead.close()
                session = self.session(self.serve([dead, verify], "timeout=6", "tries=2"))
                self.assertEqual(session.rcpt(GOOD)[0], 250)
                self.assertEqual(session.rcpt(BAD)[0], 550)

    def test_resend_is_one_question(self):
        """What is sent again is the same datagram, id and all."""
        def second(data, count):
            return [] if count == 0 else lib.answering(VALID)(data, count)
        responder = self.responder(second)
        session = self.session(self.serve([responder], "timeout=3", "tries=3"))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(len(responder.queries), 2)
        self.assertEqual(responder.queries[0], responder.queries[1])

    def test_a_third_of_the_datagrams_lost(self):
        verify = self.start_verify(self.tree)
        lossy = self.responder(lib.losing(verify.address, 0.3))
        session = self.session(self.serve([lossy], "timeout=6", "tries=10"))
        for _ in range(5):
            self.assertEqual(session.rcpt(GOOD)[0], 250)
            self.assertEqual(session.rcpt(BAD)[0], 550)

    def test_forged_replies(self):
        """A reply without the id of the question is passed over, in favour of neither side."""
        for forged, truth, code in ((VALID, NOT_VALID, 550), (NOT_VALID, VALID, 250)):
            with self.subTest(forged=forged):
                responder = self.responder(lib.forging(forged, truth))
                session = self.session(self.serve([responder]))
                self.assertEqual(session.rcpt(GOOD)[0], code)

    def test_late_reply_is_not_taken_for_the_next_question(self):
        responder = self.responder(lib.late(VALID, 1.5))
        session = self.session(self.serve([responder], "timeout=1", "tries=1"))
        self.assertEqual(session.rcpt(BAD)[0], 451)
        time.sleep(0.7)  # now the answer to the first question lies in the socket
        responder.behave = lib.answering(NOT_VALID)
        self.assertEqual(session.rcpt(BAD)[0], 550)

    def test_legacy_daemon_only_where_the_operator_says_so(self):
        def old(data, count):
            return [b"\x90joe"]
        self.assertEqual(
            self.session(self.serve([self.responder(old)], "timeout=1")).rcpt(GOOD)[0], 451)
        self.assertEqual(
            self.session(self.serve([self.responder(old)], "timeout=1", "legacy")).rcpt(GOOD)[0],
            250)


class QmtpAndQmqp(MailfrontTest):
    """The other front ends load the same plugin; recipients come after the data there, and mailfront
    answers the message as a whole: K, D (permanent) or Z (temporary)."""

    def answer(self, protocol, verify, recipients, *options, **kwargs):
        server = self.serve([verify], *options, protocol=protocol, **kwargs)
        with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
            connection.sendall(encode_message(protocol, "a@b.example", recipients))
            return read_netstring(connection).decode()

    def both(self, expected, verify, recipients, *options, **kwargs):
        for protocol in ("qmtp", "qmqp"):
            with self.subTest(protocol):
                self.assertRegex(self.answer(protocol, verify, recipients, *options, **kwargs),
                                 expected)

    def test_accept(self):
        self.both("^K", self.start_verify(self.tree), [GOOD, "mary@local.example"])

    def test_refuse(self):
        self.both(r"^D5\.1\.1 ", self.start_verify(self.tree), [GOOD, BAD])

    def test_defer(self):
        self.both(r"^D5\.1\.1 ", self.start_verify(self.tree), [BAD, GOOD], defer=True)

    def test_relayclient(self):
        self.both("^K", self.start_verify(self.tree), [BAD], more=',RELAYCLIENT=""')

    def test_undecided(self):
        self.both(r"^Z4\.3\.0 ", self.responder(lib.silent), [GOOD], "timeout=1")

    def test_maxbad(self):
        """The first refusal is the message's."""
        self.both(r"^D5\.1\.1 ", self.start_verify(self.tree), [BAD, BAD, GOOD], "maxbad=1")

    def test_hostile_addresses(self):
        """A netstring holds any bytes, a NUL too: the address does not end there unseen."""
        verify = self.start_verify(self.tree)
        for address in (b"joe@local.example\0", b"joe@local.example\0@virtual.example", b"", b"@",
                        b"joe@local.example\n", b"\xf6\xff@local.example", b'"joe"@local.example',
                        b"a" * 880 + b"@local.example", b"a" * 5000 + b"@local.example",
                        b"@a:joe@local.example", b"joe%local.example@local.example",
                        b"../../x@local.example"):
            with self.subTest(address):
                self.both("^[DZ]", verify, [address])
        self.both("^K", verify, [GOOD])

    def test_verifier_lying(self):
        forged = self.responder(lambda data, count: lib.forging(VALID, VALID)(data, count)[:4])
        self.both(r"^Z4\.3\.0 ", forged, [GOOD], "timeout=1")

    def test_value_that_cannot_be_read(self):
        self.both(r"^Z4\.3\.5 ", self.responder(lib.silent), [GOOD], "nonsense")

    def test_badsleep(self):
        began = time.monotonic()
        self.both(r"^D5\.1\.1 ", self.start_verify(self.tree), [BAD], "badsleep=1")
        self.assertGreaterEqual(time.monotonic() - began, 2)

    def test_messages_of_one_qmtp_session(self):
        """Each is judged by its own recipients, with DEFER and without; maxbad is the session's."""
        verify = self.start_verify(self.tree)
        for options, recipients, expected in (
                ({"defer": True}, [[BAD], [GOOD], [GOOD, BAD], [GOOD]], "DKDK"),
                ({}, [[BAD], [GOOD], [GOOD, BAD], [GOOD]], "DKDK"),
                ({"maxbad": True}, [[BAD], [GOOD], [BAD], [GOOD], [GOOD]], "DKDZZ")):
            with self.subTest(options):
                words = ["maxbad=2"] if options.pop("maxbad", False) else []
                server = self.serve([verify], *words, protocol="qmtp", **options)
                with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
                    answers = ""
                    for each in recipients:
                        connection.sendall(encode_message("qmtp", "a@b.example", each))
                        answers += read_netstring(connection).decode()[0]
                self.assertEqual(answers, expected)


def netstring(data):
    return b"%d:%s," % (len(data), data)


def encode_message(protocol, sender, recipients):
    """One message as QMTP (unix line ends) and QMQP have it."""
    text = b"Subject: x\n\nhello\n"
    recipients = b"".join(netstring(r.encode() if isinstance(r, str) else r) for r in recipients)
    if protocol == "qmtp":
        return netstring(b"\n" + text) + netstring(sender.encode()) + netstring(recipients)
    return netstring(netstring(text) + netstring(sender.encode()) + recipients)


def read_netstring(connection):
    data = b""
    while True:
        length, colon, rest = data.partition(b":")
        if colon and len(rest) > int(length):
            return rest[:int(length)]
        more = connection.recv(4096)
        if not more:
            raise AssertionError("closed after %r" % data)
        data += more


if __name__ == "__main__":
    unittest.main()
