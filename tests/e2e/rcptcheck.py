#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""rcptcheck by hand, as RCPTCHECK's program and as a qmail-spp plugin, against a verifier that does
what it is told.  The drivers do what the SMTP servers do: for RCPTCHECK descriptors 0 and 1 are the
SMTP connection, for qmail-spp standard input is closed and standard output carries commands."""

import json
import os
import socket
import subprocess
import threading
import time
import unittest

import lib

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, os.environ.get("QV_BUILD", "build"), "bin", "rcptcheck")

VALID, NOT_VALID, UNDECIDED = 0, 1, 2


class Verifier:
    """Judges by the beginning of the address: bad, slow, full, hop, esc, mute; anything else is
    valid.  With `legacy` it is one from before 2.0: one byte and the user is all it says."""

    def __init__(self, legacy=False, port=0):
        self.legacy = legacy
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.value = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.heard = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(2048)
            if query == b"end":
                return
            address, *rest = query.split(b"\0")
            fields = dict(field.split(b"=", 1) for field in rest if field)
            self.heard.append((address, fields))
            if address.startswith(b"mute"):
                continue
            result, why, text = VALID, b"local", b""
            if address.startswith(b"bad"):
                result, why = NOT_VALID, b"unknown-user"
            elif address.startswith(b"slow"):
                result, why = UNDECIDED, b"table-error"
            elif address.startswith(b"hop"):
                result, why = UNDECIDED, b"unreachable"
            elif address.startswith(b"full"):
                result, why, text = NOT_VALID, b"overquota", b"text=the mailbox is full\0"
            elif address.startswith(b"esc"):
                result, why, text = NOT_VALID, b"refused", b"text=\x1b[2J\0"
            user = b"o'\"\xe9" if address.startswith(b"odd") else b"bob"
            if self.legacy:
                self.socket.sendto(bytes([result]) + user, peer)
                continue
            self.socket.sendto(
                bytes([result]) + user + b"\0v=2\0id=" + fields[b"id"] + b"\0why=" + why + b"\0"
                + text, peer)

    def close(self):
        self.socket.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


class RcptcheckTest(unittest.TestCase):
    def setUp(self):
        self.verifier = Verifier()
        self.addCleanup(self.verifier.close)

    def run_program(self, *arguments, input=b"", **environment):
        return subprocess.run(
            [PROGRAM, *arguments], input=input, capture_output=True, env=environment, timeout=60)


class ByHand(RcptcheckTest):
    def check(self, *arguments, **kwargs):
        return self.run_program("-s", self.verifier.value, *arguments, **kwargs)

    def test_exit_code_is_the_worst_verdict(self):
        for addresses, code in (
                (["good"], 0), (["bad"], 100), (["slow"], 111), (["good", "bad", "good"], 100),
                (["slow", "bad", "good"], 111)):
            for option in ([], ["-q"], ["-j"]):
                self.assertEqual(self.check(*option, *addresses).returncode, code, addresses)

    def test_table(self):
        out = self.check("good@example.org", "bad@example.org", "slow", "a b\n").stdout.decode()
        out = "".join(line for line in out.splitlines(True) if not line.startswith(" "))
        rows = [line.split() for line in out.splitlines()]
        self.assertEqual(rows[0], ["ADDRESS", "VERDICT", "WHY", "USER", "TIME"])
        self.assertEqual([row[:4] for row in rows[1:]], [
            ["good@example.org", "valid", "local", "bob"],
            ["bad@example.org", "not-valid", "unknown-user", "bob"],
            ["slow", "undecided", "table-error", "bob"],
            ["a\\x20b\\x0a", "valid", "local", "bob"]])
        self.assertRegex(out.splitlines()[1], r"  \d+ us$")
        self.assertEqual(len({line.index(word) for line, word in zip(
            out.splitlines()[1:4], ("valid", "not-valid", "undecided"))}), 1, "columns align")

    def test_reply_stands_below_its_row(self):
        def lines(value, *addresses):
            return self.run_program("-s", value, *addresses).stdout.decode().splitlines()[1:]

        where = self.verifier.value
        good, bad, refusal, full, words, slow, delay = lines(where, "good", "bad", "full", "slow")
        self.assertEqual([refusal, words, delay], [
            "    550 5.1.1 no such recipient here", "    550 5.1.1 the mailbox is full",
            "    451 4.3.0 cannot verify this recipient now, try again later"])
        self.assertEqual([row.split()[0] for row in (good, bad, full, slow)],
                         ["good", "bad", "full", "slow"])
        self.assertEqual(lines("DEFER," + where, "bad")[1],
                         "    554 5.1.1 a recipient of this message does not exist")
        self.assertEqual(len(lines(where + ",tempok", "slow")), 1)

    def test_text_for_a_terminal_is_no_answer(self):
        run = self.run_program("-s", self.verifier.value + ",timeout=1", "esc")
        self.assertNotIn(b"\x1b", run.stdout + run.stderr)
        self.assertEqual(run.returncode, 111)

    def test_rows_fit_a_screen(self):
        out = self.check("x" * 42 + "@a.b", "bad@example.org", "x" * 200).stdout.decode()
        fitting = [line for line in out.splitlines() if "x" * 200 not in line]
        self.assertEqual([line for line in fitting if len(line) > 100], [])
        self.assertEqual(len({line.index("bob") for line in fitting if "bob" in line}), 1)

    def test_json(self):
        run = self.check("-j", "--", b"odd\xe9\xc3\xa9\"\n@example.org", "bad")
        first, second = [json.loads(line) for line in run.stdout.decode("utf-8").splitlines()]
        self.assertGreaterEqual(first.pop("us"), 1)
        self.assertEqual(first, {
            "address": "odd\xe9\xe9\"\n@example.org", "verdict": "valid", "why": "local",
            "user": "o'\"\xe9", "server": self.verifier.value, "code": 0, "reply": ""})
        self.assertEqual(second["verdict"], "not-valid")
        self.assertEqual((second["code"], second["reply"]),
                         (550, "550 5.1.1 no such recipient here"))

    def test_quiet(self):
        run = self.check("-q", "bad")
        self.assertEqual((run.stdout, run.stderr, run.returncode), (b"", b"", 100))

    def test_addresses_from_standard_input(self):
        run = self.check("-j", "first", "-", "last", input=b"one\n\ntwo\r\nbad")
        addresses = [json.loads(line)["address"] for line in run.stdout.splitlines()]
        self.assertEqual(addresses, ["first", "one", "two", "bad", "last"])
        self.assertEqual(run.returncode, 100)

    def test_answers_a_pipe_line_by_line(self):
        with subprocess.Popen([PROGRAM, "-s", self.verifier.value, "-j", "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for address in (b"good", b"bad"):
                process.stdin.write(address + b"\n")
                process.stdin.flush()
                self.assertIn(address, process.stdout.readline())
            process.stdin.close()
            self.assertEqual(process.wait(60), 100)

    def test_value_from_the_environment(self):
        run = self.run_program("good", VERIFY=self.verifier.value)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(len(self.verifier.heard), 1)

    def test_maxbad_is_not_shared_between_addresses(self):
        value = self.verifier.value + ",maxbad=1,badsleep=60"
        run = self.run_program("-s", value, "bad1", "bad2", "good")
        self.assertEqual(run.stdout.count(b"unknown-user"), 2)
        self.assertEqual(run.returncode, 100)

    def test_silence_is_undecided(self):
        run = self.run_program("-s", self.verifier.value + ",timeout=1", "mute", "good")
        self.assertEqual(run.returncode, 111)
        self.assertIn(b"timeout", run.stdout)
        self.assertIn(b"no answer in time from %s (no reply)" % self.verifier.value.encode(),
                      run.stderr)

    def test_says_where_nobody_listens(self):
        """Each address has a minute; all are done long before, and the hint comes once."""
        server = "127.0.0.1:%d" % lib.free_port()
        for source in (["a", "b", "c"], ["-"]):
            run = self.run_program("-s", server + ",timeout=60", *source, input=b"a\nb\nc\n")
            self.assertEqual(run.returncode, 111)
            self.assertEqual(run.stdout.count(b"unreachable"), 3)
            self.assertEqual(run.stderr.decode(), (
                "rcptcheck: no server answers at %s (connection refused): is qmail-verify running "
                "there?  rcptcheck -s ADDRESS:PORT asks another one\n" % server))

    def test_says_which_socket_is_not_there(self):
        value = "unix:/nonexistent/a$b,127.0.0.1:%d,timeout=60" % lib.free_port()
        run = self.run_program("-s", value, "-j", "a")
        self.assertEqual(run.returncode, 111)
        self.assertEqual(json.loads(run.stdout)["why"], "unreachable")
        self.assertIn(b"unix:/nonexistent/a$b (no such socket), 127.0.0.1:", run.stderr)

    def test_waits_for_a_restart(self):
        """A verifier that is back within a second costs no address its answer."""
        port = lib.free_port()
        with subprocess.Popen([PROGRAM, "-s", ":%d" % port, "-j", "good"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            time.sleep(0.2)  # time to be refused
            self.addCleanup(Verifier(port=port).close)
            out, hints = process.communicate(timeout=60)
        self.assertEqual((json.loads(out)["verdict"], hints), ("valid", b""))

    def test_word_of_a_verifier_is_no_hint(self):
        """It may say itself that something, a next hop, is unreachable."""
        run = self.check("hop")
        self.assertIn(b"unreachable", run.stdout)
        self.assertEqual((run.stderr, run.returncode), (b"", 111))
        self.assertEqual(len(self.verifier.heard), 1, "it answered: there is no reason to ask again")

    def test_names_the_old_verifier(self):
        old = Verifier(legacy=True)
        self.addCleanup(old.close)
        for value in (old.value, "DEFER," + old.value + ",timeout=60"):
            run = self.run_program("-s", value, "good", "bad")
            self.assertEqual(run.returncode, 111)
            self.assertEqual(run.stdout.count(b"legacy-reply"), 2)
            hint = run.stderr.decode()
            self.assertEqual(hint.count("\n"), 1)
            self.assertIn("rcptcheck: %s answers in the form of qmail-verify before 2.0"
                          % old.value, hint)
            # What is advised works.
            advice = hint.rpartition('rcptcheck -s "')[2].rstrip('"\n')
            self.assertEqual(advice, value + ",legacy")
            run = self.run_program("-s", advice, "good", "bad")
            self.assertEqual((run.returncode, run.stderr), (100, b""))

    def test_quiet_gives_no_hints(self):
        run = self.run_program("-q", "-s", ":%d" % lib.free_port(), "a")
        self.assertEqual((run.stdout, run.stderr, run.returncode), (b"", b"", 111))

    def test_mistakes_never_look_like_an_answer(self):
        for arguments in ((), ("-s",), ("-x", "good"), ("-q",), ("-s", ":,timeout=0", "good"),
                          ("-s", "", "good")):
            run = self.run_program(*arguments)
            self.assertEqual((run.returncode, run.stdout), (111, b""), arguments)
            self.assertNotEqual(run.stderr, b"", arguments)

    def test_help_and_version(self):
        run = self.run_program("--help")
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertIn(b"usage: rcptcheck", run.stdout)
        run = self.run_program("--version")
        self.assertEqual(run.returncode, 0)
        self.assertRegex(run.stdout, rb"^rcptcheck \d+\.\d+\n$")

    def test_full_disk_is_said(self):
        with open("/dev/full", "wb") as full:
            run = subprocess.run([PROGRAM, "-s", self.verifier.value, "good"], stdout=full,
                                 stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(run.returncode, 111)


class Rcptcheck(RcptcheckTest):
    """The program of RCPTCHECK: execv without arguments, SENDER and RECIPIENT added."""

    def ask(self, recipient, text=False, **environment):
        """Returns (exit code, text on descriptor 4, standard error)."""
        server, smtp = socket.socketpair()
        read, write = os.pipe()
        environment.setdefault("VERIFY", self.verifier.value)
        environment.update(SENDER="eve@example.net", RECIPIENT=recipient)
        # The child's end of the pipe is descriptor 4, as the SMTP server makes it.
        command = ["/bin/sh", "-c", 'exec "$0" 4>&%d' % write if text else 'exec "$0" 4>&-', PROGRAM]
        try:
            smtp.sendall(b"DATA\r\n")  # pipelined by the client, still to be read by the server
            with subprocess.Popen(command, stdin=server, stdout=server, stderr=subprocess.PIPE,
                                  env=environment, pass_fds=[write]) as process:
                os.close(write)
                write = -1
                log = process.stderr.read()
                process.wait(60)
            self.assertEqual(server.recv(100), b"DATA\r\n", "the SMTP connection was read from")
            server.close()
            self.assertEqual(smtp.recv(100), b"", "the SMTP connection was written to")
            return process.returncode, os.read(read, 1000), log
        finally:
            for fd in (read, write):
                if fd >= 0:
                    os.close(fd)
            server.close()
            smtp.close()

    def test_exit_codes(self):
        for recipient, code in (("good", 0), ("bad", 100), ("slow", 111)):
            self.assertEqual(self.ask(recipient)[:2], (code, b""))

    def test_text_on_descriptor_4(self):
        for recipient, text in (
                ("good", b""), ("bad", b"550 5.1.1 no such recipient here"),
                ("full", b"550 5.1.1 the mailbox is full"),
                ("slow", b"451 4.3.0 cannot verify this recipient now, try again later")):
            self.assertEqual(self.ask(recipient, text=True, USE_FD4="1")[1], text)
            self.assertEqual(self.ask(recipient, text=True)[1], b"", "only where asked for")

    def test_without_a_descriptor_4(self):
        self.assertEqual(self.ask("bad", USE_FD4="1")[:2], (100, b""))

    def test_tells_the_verifier_who_asks(self):
        self.ask("good", TCPREMOTEIP="192.0.2.7", HELO="mx.example.net")
        (address, fields), = self.verifier.heard
        self.assertEqual(address, b"good")
        self.assertEqual(fields[b"client"], b"192.0.2.7")
        self.assertEqual(fields[b"helo"], b"mx.example.net")
        self.assertEqual(fields[b"sender"], b"eve@example.net")

    def test_says_nothing_about_others_recipients(self):
        for environment in ({"RCPTFOUND": "1"}, {"RELAYCLIENT": ""}, {"RELAYCLIENT": "@x"}):
            self.assertEqual(self.ask("bad", **environment), (0, b"", b""))
        self.assertEqual(self.verifier.heard, [])

    def test_off(self):
        code, _, log = self.ask("bad", VERIFY="")
        self.assertEqual((code, self.verifier.heard), (0, []))
        self.assertIn(b"verifies nothing", log)

    def test_log(self):
        self.assertRegex(self.ask("bad one", TCPREMOTEIP="192.0.2.7")[2].decode(), (
            r"^rcptcheck: result=not-valid why=unknown-user code=550 rcpt=\"bad one\" user=bob "
            r"client=192\.0\.2\.7 server=%s us=\d+\n$" % self.verifier.value))

    def test_misconfigured_is_temporary(self):
        code, text, log = self.ask("good", text=True, USE_FD4="1", VERIFY="nonsense")
        self.assertEqual(code, 111)
        self.assertTrue(text.startswith(b"421 4.3.5 "))
        self.assertIn(b"nonsense", log)
        self.assertEqual(self.ask("good", VERIFYDEFER="")[0], 111)

    def test_tempok(self):
        self.assertEqual(self.ask("slow", VERIFY=self.verifier.value + ",tempok")[0], 0)

    def test_defer_has_to_refuse_at_once(self):
        code, text, log = self.ask("bad", text=True, USE_FD4="1",
                                   VERIFY="DEFER," + self.verifier.value)
        self.assertEqual(code, 100)
        self.assertTrue(text.startswith(b"554 5.1.1 "))
        self.assertIn(b"why=unknown-user", log)

    def test_spp_variables_left_by_the_server_change_nothing(self):
        self.assertEqual(self.ask("bad", SMTPRCPTTO="good")[0], 100)


class QmailSpp(RcptcheckTest):
    """A plugin of qmail-spp: one command per line on standard output, the exit code ignored."""

    def ask(self, recipient, **environment):
        environment.setdefault("VERIFY", self.verifier.value)
        environment.update(SMTPRCPTTO=recipient, SMTPMAILFROM="eve@example.net",
                           SMTPHELOHOST="mx.example.net")
        environment.setdefault("SMTPRCPTHOSTSOK", "1")
        run = subprocess.run(["/bin/sh", "-c", 'exec "$0" <&-', PROGRAM], capture_output=True,
                             env=environment, timeout=60)
        self.assertEqual(run.returncode, 0)
        return run.stdout, run.stderr

    def test_commands(self):
        for recipient, command in (
                ("good", b""), ("bad", b"E550 5.1.1 no such recipient here\n"),
                ("full", b"E550 5.1.1 the mailbox is full\n"),
                ("slow", b"E451 4.3.0 cannot verify this recipient now, try again later\n")):
            self.assertEqual(self.ask(recipient)[0], command)

    def test_tells_the_verifier_who_asks(self):
        self.ask("good", TCPREMOTEIP="192.0.2.7")
        (_, fields), = self.verifier.heard
        self.assertEqual(fields[b"client"], b"192.0.2.7")
        self.assertEqual(fields[b"helo"], b"mx.example.net")
        self.assertEqual(fields[b"sender"], b"eve@example.net")

    def test_skips_relay_clients_and_what_rcpthosts_refuses(self):
        for environment in ({"RELAYCLIENT": ""}, {"SMTPRCPTHOSTSOK": "0"}):
            self.assertEqual(self.ask("bad", **environment), (b"", b""))
        self.assertEqual(self.verifier.heard, [])

    def test_misconfigured_closes(self):
        out, log = self.ask("good", VERIFY="nonsense")
        self.assertTrue(out.startswith(b"R421 4.3.5 "))
        self.assertIn(b"nonsense", log)

    def test_defer_is_a_late_error(self):
        out, _ = self.ask("bad", VERIFY="DEFER," + self.verifier.value)
        self.assertEqual(out, b"LD554 5.1.1 a recipient of this message does not exist\n")

    def test_a_recipient_cannot_write_commands(self):
        out, log = self.ask("bad\nA\n")
        self.assertEqual(out.count(b"\n"), 1)
        self.assertEqual(log.count(b"\n"), 1)


if __name__ == "__main__":
    unittest.main()
