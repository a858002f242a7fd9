#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-verify asks qmail-probe about relay domains: real next hops, and an SMTP client that sees what
they say at RCPT."""

import signal
import socket
import threading
import time
import unittest

import lib
import probe
from lib import NOT_VALID, UNDECIDED, VALID

GOOD, BAD = "joe@x.example", "none@x.example"


class VerifyProbe:
    """What a test with qmail-verify, qmail-probe and mailfront has on top of those of qmail-probe."""

    def start_all(self, **env):
        """qmail-verify over the tree, and an SMTP server that asks it."""
        self.tree.control("locals", "local.example")
        self.tree.user("joe", maildir=True)
        self.tree.prefix("", "alias")
        self.tree.compile()
        self.verify = self.start_verify(self.tree, **dict({"CACHETTL": "0"}, **env))
        self.question = self.client_of_verify()

    def client_of_verify(self):
        return lib.E2eTest.client(self, self.verify, timeout=10)

    def ask(self, address, result, why):
        reply = self.question.ask(address)
        self.assertIsNotNone(reply, address)
        self.assertEqual((reply.result, reply.why), (result, why), (address, reply))
        return reply

    def session(self):
        server = self.start_mailfront(':allow,VERIFY=":%d"\n' % self.verify.port)
        session = self.smtp(server)
        session.command("EHLO client.example")
        self.assertEqual(session.mail()[0], 250)
        return session


class RealHops(VerifyProbe, probe.PostfixTest):
    def judged_at_rcpt(self, words):
        """Both addresses at mailfront; the next hop's words in the refusal."""
        session = self.session()
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        code, text = session.rcpt(BAD)
        self.assertEqual(code, 550)
        self.assertRegex(text, r"^5\.1\.1 .*" + words)
        self.assertRegex(text, r"^[ -~]{1,500}$")
        self.assertEqual(session.rcpt("who@elsewhere.example")[0], 250)
        self.assertEqual(session.rcpt("nobody@local.example")[0], 550)
        self.assertEqual(session.rcpt("Joe@X.Example")[0], 250)
        self.assertEqual(session.data()[0], 250)

    def test_postfix_judges_at_our_rcpt(self):
        self.routes("x.example:127.0.0.1:%d" % self.start_next_hop())
        self.start_probe()
        self.start_all()
        self.judged_at_rcpt(r"host 127\.0\.0\.1 said: 550 5\.1\.1 <none@x\.example>")
        self.verify.wait_log(r"result=not-valid why=probe rcpt=none@x\.example .*pos=1")

    def test_exim_judges_at_our_rcpt(self):
        self.routes("x.example:127.0.0.1:%d" % self.start_exim())
        self.start_probe()
        self.start_all()
        self.judged_at_rcpt(r"host 127\.0\.0\.1 said: 550 Unrouteable")
        code, _ = self.session().rcpt("later@x.example")
        self.assertEqual(code, 451)


class Trouble(VerifyProbe, probe.ProbeTest):
    def serve(self, reply=None, route="x.example:127.0.0.1:%d", probe_env=None, **env):
        self.next_hop = self.hop(reply or probe.users("joe"))
        self.routes(route % self.next_hop.port)
        self.probe = self.start_probe(**(probe_env or {}))
        self.start_all(**env)

    def test_a_next_hop_that_is_down_costs_a_451_and_the_session_lives(self):
        self.routes("x.example:127.0.0.1:%d" % lib.free_port(socket.SOCK_STREAM))
        self.start_probe()
        self.start_all()
        session = self.session()
        self.assertEqual(session.rcpt(GOOD)[0], 451)
        self.assertEqual(session.rcpt("joe@local.example")[0], 250)
        self.assertEqual(session.data()[0], 250)
        self.ask("ann@x.example", UNDECIDED, "unreachable")

    def test_qmail_probe_stopped_and_started_again(self):
        self.serve()
        session = self.session()
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.probe.stop(signal.SIGKILL)
        self.assertEqual(session.rcpt(GOOD)[0], 451)
        self.assertEqual(session.rcpt(BAD)[0], 451)
        self.assertEqual(session.rcpt("joe@local.example")[0], 250)
        self.verify.wait_log(r"result=undecided why=probe-error rcpt=none@x\.example")
        self.start_probe()
        self.assertEqual(session.rcpt(GOOD)[0], 250)
        self.assertEqual(session.rcpt(BAD)[0], 550)

    def test_a_qmail_probe_that_hangs_holds_up_nobody(self):
        self.serve()
        self.ask(GOOD, VALID, "probe")
        self.probe.send_signal(signal.SIGSTOP)
        self.addCleanup(self.probe.send_signal, signal.SIGCONT)
        other = self.client_of_verify()
        asked = time.monotonic()
        self.question.socket.send(lib.encode_query(GOOD, id="a" * 32))
        self.assertEqual(other.ask("joe@local.example").result, VALID)
        self.assertLess(time.monotonic() - asked, 1)
        reply = lib.Reply(self.question.socket.recv(2000))
        self.assertEqual((reply.result, reply.why), (UNDECIDED, "probe-error"))
        self.assertLess(time.monotonic() - asked, 5)
        self.probe.send_signal(signal.SIGCONT)
        self.ask(GOOD, VALID, "probe")

    def test_somebody_else_on_the_socket(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.at("other"))
        listener.listen(5)

        def babble():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                client.sendall(b"220 hello\r\n" + b"x" * 100000)
        threading.Thread(target=babble, daemon=True).start()
        self.routes("x.example:mx")
        self.start_all(PROBE_SOCKET="unix:" + self.at("other"))
        lib.os.chmod(self.at("other"), 0o777)
        self.ask(GOOD, UNDECIDED, "probe-error")
        self.ask("who@elsewhere.example", VALID, "relay")

    def test_a_silent_next_hop_is_pending_and_delays_nobody(self):
        silent = self.hop(lambda line: "")
        known = self.hop(probe.users("joe"))
        self.routes("silent.example:127.0.0.1:%d" % silent.port,
                    "x.example:127.0.0.1:%d" % known.port)
        self.start_probe()
        self.start_all(PROBE_WAIT="2")
        self.ask(GOOD, VALID, "probe")
        waiting = self.client_of_verify()
        started = time.monotonic()
        for number in range(100):
            waiting.socket.send(lib.encode_query("u%d@silent.example" % number))
        slowest = 0
        for address in (GOOD, "joe@local.example", "who@elsewhere.example") * 10:
            asked = time.monotonic()
            self.assertEqual(self.question.ask(address).result, VALID)
            slowest = max(slowest, time.monotonic() - asked)
        self.assertLess(slowest, 1)
        waiting.socket.settimeout(10)
        replies = [lib.Reply(waiting.socket.recv(2000)) for _ in range(100)]
        took = time.monotonic() - started
        self.assertEqual({(r.result, r.why) for r in replies}, {(UNDECIDED, "probe-pending")})
        self.assertGreater(took, 1.5)
        self.assertLess(took, 4.5)

    def test_the_answer_is_there_at_the_retry(self):
        answering = threading.Event()
        inner = probe.users("joe")

        def late(line):
            if line.startswith("RCPT"):
                answering.wait(20)
            return inner(line)
        self.serve(late, PROBE_WAIT="0", probe_env={"probe_accept_all": "ignore"})
        self.addCleanup(answering.set)
        session = self.session()
        self.assertEqual(session.rcpt(BAD)[0], 451)
        self.ask(BAD, UNDECIDED, "probe-pending")
        answering.set()
        lib.wait_until(lambda: self.question.ask(BAD).result == NOT_VALID)
        self.assertEqual(session.rcpt(BAD)[0], 550)
        self.assertEqual(self.next_hop.said("RCPT"), 1)

    def test_the_old_answer_at_once_and_the_refresh_behind_it(self):
        answering = threading.Event()
        answering.set()
        users = []

        def reply(line):
            if line.startswith("RCPT"):
                answering.wait(20)
            return probe.users(*users)(line)
        self.serve(reply, probe_env={"address_verify_negative_refresh_time": "1s",
                                     "probe_accept_all": "ignore"})
        self.addCleanup(answering.set)
        self.ask(GOOD, NOT_VALID, "probe")
        answering.clear()
        users.append("joe")
        time.sleep(2.1)
        asked = time.monotonic()
        self.ask(GOOD, NOT_VALID, "probe")
        self.assertLess(time.monotonic() - asked, 1)
        lib.wait_until(lambda: self.next_hop.said("RCPT") == 2, what="the refresh")
        self.ask(GOOD, NOT_VALID, "probe")
        answering.set()
        lib.wait_until(lambda: self.question.ask(GOOD).result == VALID, what="the new answer")
        self.assertEqual(self.next_hop.said("RCPT"), 2)

    def test_a_next_hop_that_takes_everything(self):
        self.serve(lambda line: "250 ok")
        self.ask(BAD, VALID, "accept-all")

    def test_a_backup_takes_mail_while_the_primary_is_down(self):
        self.routes("x.example:127.0.0.1:%d backup-mx" % lib.free_port(socket.SOCK_STREAM))
        self.start_probe()
        self.start_all()
        self.ask(BAD, VALID, "backup-mx")

    def test_words_of_the_next_hop_cannot_hurt(self):
        evil = {"a": "550 5.1.1 \x1b[31m\xff `rm -rf` %s%n", "b": "550-5.1.1 a\r\n550 5.1.1 250 b",
                "c": "550 5.1.1 " + "x" * 1900}
        self.serve(lambda line: evil[line[9]] if line.startswith("RCPT") else "250 ok",
                   probe_env={"probe_accept_all": "ignore"})
        session = self.session()
        for local in evil:
            code, text = session.rcpt(local + "@x.example")
            self.assertEqual(code, 550)
            self.assertRegex(text, r"^[ -~]{1,500}$")
        self.assertEqual(session.rcpt("joe@local.example")[0], 250)

    def test_changed_lines_are_noticed(self):
        self.serve()
        self.ask("joe@y.example", VALID, "relay")
        self.routes("y.example:127.0.0.1:%d" % self.next_hop.port)
        lib.wait_until(lambda: self.question.ask("none@y.example").result == NOT_VALID)
        self.ask(BAD, VALID, "relay")
        self.routes("x.example:127.0.0.1:%d" % self.next_hop.port, "nonsense")
        self.verify.wait_log(r'config file=control/verifyprobe line=2 problem="DOMAIN:NEXTHOP')
        self.ask("none@y.example", NOT_VALID, "probe")


class Operator(VerifyProbe, probe.ProbeTest):
    def run_verify(self, *words, **env):
        environment = lib.verify_environment(self.tree.path, "127.0.0.1:1", **env)
        return self.run_program([lib.program("qmail-verify"), *words], environment)

    def test_explain(self):
        hop = self.hop(probe.users("joe"))
        self.routes("# behind us", ".x.example:127.0.0.1:%d" % hop.port)
        self.start_probe()
        code, out, _ = self.run_verify("--explain", "none@a.X.example")
        self.assertEqual(code, 100)
        self.assertIn('control/verifyprobe:2: key ".x.example": the next hop is asked\n', out)
        self.assertIn('qmail-probe: "none@a.x.example": host 127.0.0.1 said: 550 5.1.1 no such', out)
        self.assertIn("=> not valid (why=probe, position 1)", out)
        self.assertEqual(self.run_verify("--explain", "joe@a.x.example")[0], 0)
        code, out, _ = self.run_verify("--explain", "joe@a.x.example", PROBE_SOCKET="unix:/nowhere")
        self.assertEqual(code, 111)
        self.assertIn("(why=probe-error, position 1)", out)

    def test_check_config(self):
        self.routes("x.example:mx", "*:mx")
        code, _, err = self.run_verify("--check-config")
        self.assertEqual(code, 111)
        self.assertIn("control/verifyprobe:2: not a domain: '*'", err)
        self.assertIn("no server answers on unix:%s/probe/verify: No such file" % self.tree.path, err)
        self.routes("x.example:mx")
        self.start_probe()
        err = self.run_verify("--check-config")[2]
        self.assertNotIn("nobody answers", err)
        self.assertNotIn("verifyprobe", err)
        code, _, err = self.run_verify("--check-config", PROBE_SOCKET="/x", PROBE_WAIT="9")
        self.assertEqual(code, 111)
        self.assertIn("PROBE_SOCKET: ", err)
        self.assertIn("PROBE_WAIT: ", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
