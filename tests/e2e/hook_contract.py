# SPDX-License-Identifier: 0BSD
"""What every hook that takes VERIFY shows an SMTP client: the same codes, and three answers.

A test class derives from HookContract and the suite's fixture, which has .tree, and adds two methods:

    hook(verify, *options, defer=False, value=None)   an SMTP server, with .port, whose VERIFY names
                                                      this verifier and these options, or is `value`
    hook_log()                                        what the hook has logged so far

Beside lib.py; not a suite of its own.
"""

import re
import time

import lib
from lib import NOT_VALID, UNDECIDED, VALID

GOOD, BAD = "joe@local.example", "nosuch@local.example"


class Session:
    def session(self, server):
        """An SMTP session up to MAIL."""
        session = self.smtp(server)
        self.assertEqual(session.greeting[0], 220)
        self.assertEqual(session.command("EHLO client.example")[0], 250)
        self.assertEqual(session.mail()[0], 250)
        return session


class HookContract(Session):
    def wait_hook_log(self, pattern):
        return lib.wait_until(lambda: re.search(pattern, self.hook_log()), 10,
                              "%r in the hook's log" % pattern).group(0)

    # -- at RCPT

    def test_recipients_one_by_one(self):
        session = self.session(self.hook(self.start_verify(self.tree)))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        code, text = session.rcpt(BAD)
        self.assertEqual((code, text[:6]), (550, "5.1.1 "))
        self.assertEqual(session.rcpt("mary@local.example")[0], 250)
        self.assertEqual(session.data()[0], 250)
        line = self.wait_hook_log(r"verifyrcpt: .*|result=.*")
        for word in ("result=not-valid", "why=unknown-user", "code=550", "rcpt=" + BAD,
                     "client=127.0.0.1"):
            self.assertIn(word + " ", line)
        # The same process takes the next message.
        self.assertEqual(session.mail()[0], 250)
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertEqual(session.rcpt("mary@local.example")[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_pipelined_replies_keep_their_order(self):
        session = self.session(self.hook(self.start_verify(self.tree)))
        addresses = [GOOD, BAD, "mary@local.example", BAD] * 5
        session.send(*("RCPT TO:<%s>" % a for a in addresses), "DATA")
        self.assertEqual([session.reply()[0] for _ in addresses], [250, 550, 250, 550] * 5)
        self.assertEqual(session.reply()[0], 354)

    def test_swaks_is_refused(self):
        code, transcript = self.swaks(self.hook(self.start_verify(self.tree)).port, BAD)
        self.assertEqual(code, 24, transcript)  # swaks: the recipient was refused
        self.assertRegex(transcript, r"<\*\* 550 5\.1\.1 ")

    def test_hostile_addresses(self):
        """Each is judged as the verifier judges it, or refused; the session goes on."""
        verify = self.start_verify(self.tree)
        session = self.session(self.hook(verify))
        for address in ("a" * 880 + "@local.example", "a" * 1900 + "@local.example",
                        "joe%local.example@local.example", '"joe', "@", "\\" * 300,
                        '"' + "\\" * 299 + '"@local.example', "j\xf6e@local.example",
                        "../../x@local.example", "$(id)@local.example", "%s%n@local.example",
                        "${run{/bin/true}}@local.example"):
            with self.subTest(address):
                self.assertIn(session.rcpt(address)[0], range(450, 600))
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertTrue(verify.alive())

    def test_text_of_the_verifier(self):
        """Per recipient, percent signs and all."""
        responder = self.responder(lib.answering(NOT_VALID, text="100% full %s of $it \\n"))
        session = self.session(self.hook(responder))
        self.assertEqual(session.rcpt(GOOD), (550, "5.1.1 100% full %s of $it \\n"))

    def test_what_the_verifier_is_told(self):
        responder = self.responder(lib.answering(VALID))
        self.session(self.hook(responder)).rcpt(GOOD)
        address, fields = lib.parse_query(responder.queries[0])
        self.assertEqual(address.decode(), GOOD)
        self.assertEqual((fields["client"], fields["helo"], fields["sender"]),
                         ("127.0.0.1", "client.example", "sender@remote.example"))

    # -- DEFER

    def test_deferred_to_data(self):
        session = self.session(self.hook(self.start_verify(self.tree), defer=True))
        self.assertEqual(session.rcpt(BAD)[0], 250)
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        code, text = session.data()
        self.assertEqual((code, text[:6]), (554, "5.1.1 "))
        self.wait_hook_log("why=deferred code=554")

    def test_deferral_is_forgotten(self):
        server = self.hook(self.start_verify(self.tree), defer=True)
        for forget in ("RSET", "HELO client.example", "EHLO client.example"):
            with self.subTest(forget):
                session = self.session(server)
                self.assertEqual(session.rcpt(BAD)[0], 250)
                self.assertEqual(session.command(forget)[0], 250)
                self.assertEqual(session.mail()[0], 250)
                self.assertEqual(session.rcpt(GOOD)[0], 250)
                self.assertEqual(session.data()[0], 250)

    # -- limits

    def test_maxbad(self):
        session = self.session(self.hook(self.start_verify(self.tree), "maxbad=2"))
        self.assertEqual(session.rcpt(BAD)[0], 550)
        session.command("RSET")
        session.mail()
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertEqual(session.rcpt(BAD)[0], 421)
        self.assertEqual(session.reply()[0], None)

    def test_badsleep(self):
        """Only a refusal is waited for."""
        session = self.session(self.hook(self.start_verify(self.tree), "badsleep=2"))
        began = time.monotonic()
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertGreaterEqual(time.monotonic() - began, 2)

    # -- trouble

    def test_verifier_silent_lying_or_late(self):
        """Each 451 within the time-out, never 250, and the session goes on."""
        responder = self.responder(lib.silent)
        session = self.session(self.hook(responder, "timeout=1", "tries=2"))
        for name, behave in (
                ("silent", lib.silent),
                ("forged", lambda data, count: lib.forging(VALID, VALID)(data, count)[:4]),
                ("late", lib.late(VALID, 1.5)),
                ("legacy", lambda data, count: [b"\x90joe"]),
                ("undecided", lib.answering(UNDECIDED))):
            with self.subTest(name):
                responder.behave = behave
                began = time.monotonic()
                code, text = session.rcpt(GOOD)
                self.assertEqual((code, text[:6]), (451, "4.3.0 "))
                self.assertLess(time.monotonic() - began, 4)
        responder.behave = lib.answering(VALID)
        time.sleep(1)  # the late answer comes while nobody waits for it
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_old_verifier(self):
        """Whoever upgraded the client before the daemon finds out from the log."""
        responder = self.responder(lambda data, count: [b"\x90joe"])
        session = self.session(self.hook(responder, "timeout=1", "tries=2"))
        self.assertEqual(session.rcpt(GOOD)[0], 451)
        self.wait_hook_log("result=undecided why=legacy-reply code=451 .* server=127.0.0.1:%d "
                           % responder.port)

    def test_tempok(self):
        session = self.session(self.hook(self.responder(lib.silent), "timeout=1", "tempok"))
        self.assertEqual(session.rcpt(GOOD)[0], 250)

    def test_value_that_cannot_be_read(self):
        """A configuration error: 421, and the reason in the log."""
        session = self.smtp(self.hook(None, value=":,nonsense"))
        codes = [session.greeting[0]]
        if codes[-1] == 220:
            codes += [session.command("EHLO client.example")[0], session.mail()[0],
                      session.rcpt(GOOD)[0]]
        self.assertIn(421, codes)
        self.wait_hook_log("VERIFY: .*nonsense")
