#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-verify over stream sockets: policy delegation, socketmap, tcp_table; by hand and by
Postfix."""

import os
import resource
import shutil
import signal
import socket
import tempfile
import unittest

import lib
import peers

NOT_THERE = "550 5.1.1 there is no mailbox of this name here"
LATER = "DEFER_IF_PERMIT 4.3.0 this address cannot be checked now, please try again later"


def policy_request(recipient, state="RCPT", **more):
    fields = {"request": "smtpd_access_policy", "protocol_state": state, "protocol_name": "ESMTP",
              "helo_name": "client.example", "sender": "a@remote.example", "recipient": recipient,
              "client_address": "192.0.2.7", "client_name": "unknown", "instance": "1.2.3"}
    fields.update(more)
    return ("".join("%s=%s\n" % item for item in fields.items()) + "\n").encode()


def netstring(text):
    data = text.encode()
    return b"%d:%s," % (len(data), data)


class Connection:
    """A stream to the daemon; `address` is a path or a (host, port)."""

    def __init__(self, address, timeout=10):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def action(self):
        """The next policy reply, or None where the daemon has closed."""
        line = self.file.readline()
        if not line:
            return None
        assert line.startswith(b"action=") and self.file.readline() == b"\n", line
        return line[len(b"action="):-1].decode()

    def policy(self, recipient, *args, **kwargs):
        self.send(policy_request(recipient, *args, **kwargs))
        return self.action()

    def netstring(self):
        size = b""
        while (byte := self.file.read(1)) != b":":
            if not byte:
                return None
            size += byte
        data = self.file.read(int(size) + 1)
        assert data.endswith(b","), data
        return data[:-1].decode()

    def socketmap(self, key, name="verify"):
        self.send(netstring("%s %s" % (name, key)))
        return self.netstring()

    def tcp(self, line):
        self.send(line.encode() + b"\n")
        return self.file.readline().decode().rstrip("\n")

    def closed(self):
        return self.file.read(1) == b""

    def close(self):
        self.file.close()
        self.socket.close()


class Streams(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))
        # Its home is gone: cannot be told.
        self.tree.assign("+lost-:lost:61999:61999:%s:-::" % self.at("gone"))
        self.tree.compile()
        self.sockets = self.at("run")
        os.mkdir(self.sockets, 0o755)

    def path(self, protocol):
        return os.path.join(self.sockets, protocol)

    def serve(self, extra="", **env):
        port = lib.free_port()
        listen = "127.0.0.1:%d %s %s" % (port, " ".join(
            "%s:unix:%s" % (p, self.path(p)) for p in ("policy", "socketmap", "tcp_table")), extra)
        # Nothing is reused: every question waits for a helper.
        settings = {"CACHETTL": 0}
        settings.update(env)
        self.verify = self.start_verify(self.tree, port, LISTEN=listen, **settings)
        return self.verify

    def connect(self, address):
        connection = Connection(address)
        self.addCleanup(connection.close)
        return connection


class Policy(Streams):
    def setUp(self):
        super().setUp()
        self.serve()
        self.asker = self.connect(self.path("policy"))

    def test_three_answers(self):
        self.assertEqual(self.asker.policy("joe@local.example"), "DUNNO")
        self.assertEqual(self.asker.policy("nobody@local.example"), NOT_THERE)
        self.assertEqual(self.asker.policy("lost-x@local.example"), LATER)
        self.assertEqual(self.asker.policy("any@relay.example"), "DUNNO")

    def test_what_is_not_about_a_recipient(self):
        self.assertEqual(self.asker.policy("", "END-OF-MESSAGE", recipient_count="2"), "DUNNO")
        self.assertEqual(self.asker.policy("nobody@local.example", "END-OF-MESSAGE"), "DUNNO")
        self.assertEqual(self.asker.policy("nobody@local.example", "DATA"), "DUNNO")
        self.assertEqual(self.asker.policy("", "RCPT"), "DUNNO")
        self.assertEqual(self.asker.policy("nobody@local.example"), NOT_THERE)

    def test_pipelined_in_order(self):
        names = ["joe", "nobody", "mary", "lost-x"] * 50
        self.asker.send(b"".join(policy_request(n + "@local.example") for n in names))
        expected = ["DUNNO", NOT_THERE, "DUNNO", LATER] * 50
        self.assertEqual([self.asker.action() for _ in names], expected)

    def test_byte_by_byte(self):
        self.asker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for byte in policy_request("nobody@local.example"):
            self.asker.send(bytes([byte]))
        self.assertEqual(self.asker.action(), NOT_THERE)

    def test_half_a_request_and_gone(self):
        self.asker.send(policy_request("joe@local.example")[:40])
        self.asker.close()
        self.assertEqual(self.connect(self.path("policy")).policy("joe@local.example"), "DUNNO")

    def test_gone_before_the_answer(self):
        for _ in range(50):
            other = Connection(self.path("policy"))
            other.send(policy_request("joe@local.example") * 3)
            other.close()
        self.assertEqual(self.asker.policy("joe@local.example"), "DUNNO")
        self.assertTrue(self.verify.alive())

    def test_no_more_questions_but_waiting(self):
        self.asker.send(policy_request("joe@local.example") + policy_request("x@local.example"))
        self.asker.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(self.asker.action(), "DUNNO")
        self.assertEqual(self.asker.action(), NOT_THERE)
        self.assertIsNone(self.asker.action())

    def test_nonsense(self):
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"recipient=x@y\n\n", b"\n", b"request=a\0b\n\n",
                     b"x" * 70000):
            with self.subTest(data[:20]):
                other = self.connect(self.path("policy"))
                try:
                    other.send(data)
                    self.assertTrue(other.closed())
                except ConnectionError:
                    pass
        self.verify.wait_log("stream event=malformed via=policy")
        self.assertEqual(self.asker.policy("joe@local.example"), "DUNNO")

    def test_log(self):
        self.asker.policy("nobody@local.example", sender="x y@remote.example")
        line = self.verify.wait_log("verify result=not-valid .*via=policy.*").group(0)
        self.assertIn(" rcpt=nobody@local.example ", line)
        self.assertIn(" client=192.0.2.7 ", line)
        self.assertIn(" helo=client.example ", line)
        self.assertIn(' sender="x y@remote.example"', line)

    def test_a_text_of_the_users(self):
        path = self.tree.at("homes/virt/.qmail-gone")
        lib.write_atomically(path, "|bouncesaying 'Moved away.'\n")
        self.assertEqual(self.asker.policy("gone@virtual.example"), "550 5.1.1 Moved away.")


class Tables(Streams):
    def setUp(self):
        super().setUp()
        self.serve()

    def test_socketmap(self):
        asker = self.connect(self.path("socketmap"))
        for name in ("verify", "any-name"):
            self.assertEqual(asker.socketmap("joe@local.example", name), "OK joe@local.example")
        self.assertEqual(asker.socketmap("nobody@local.example"), "NOTFOUND ")
        self.assertEqual(asker.socketmap("lost-x@local.example").split()[0], "TEMP")
        self.assertEqual(asker.socketmap("@local.example"), "NOTFOUND ")
        self.assertEqual(asker.socketmap(""), "NOTFOUND ")
        asker.send(netstring("v joe@local.example") + netstring("v no@local.example"))
        self.assertEqual(asker.netstring(), "OK joe@local.example")
        self.assertEqual(asker.netstring(), "NOTFOUND ")
        asker.send(b"nonsense")
        self.assertTrue(asker.closed())

    def test_tcp_table(self):
        asker = self.connect(self.path("tcp_table"))
        self.assertEqual(asker.tcp("get joe@local.example"), "200 joe@local.example")
        self.assertEqual(asker.tcp("get %6Aoe@local.example"), "200 joe@local.example")
        self.assertEqual(asker.tcp("get nobody@local.example")[:4], "500 ")
        self.assertEqual(asker.tcp("get lost-x@local.example")[:4], "400 ")
        self.assertEqual(asker.tcp("get @local.example")[:4], "500 ")
        asker.send(b"get joe@local.example\nget x@local.example\n")
        self.assertEqual(asker.file.readline(), b"200 joe@local.example\n")
        self.assertEqual(asker.file.readline()[:4], b"500 ")
        asker.send(b"put a b\n")
        self.assertTrue(asker.closed())


class Listening(Streams):
    def test_internet_addresses(self):
        port = lib.free_port(socket.SOCK_STREAM)
        self.serve("policy:inet:127.0.0.1:%d" % port)
        asker = self.connect(("127.0.0.1", port))
        self.assertEqual(asker.policy("joe@local.example"), "DUNNO")

    def test_malformed(self):
        for word in ("policy:", "policy:unix:relative", "socketmap:127.0.0.1:1", "tcp_table:inet:x:1"):
            with self.subTest(word):
                process = self.start_verify(self.tree, wait=False, LISTEN="127.0.0.1:15009 " + word)
                self.assertEqual(process.wait(), 111)
                self.assertIn("LISTEN", process.log())
                env = lib.verify_environment(self.tree.path, word)
                code, _, err = self.run_program(
                    [lib.program("qmail-verify"), "--check-config"], env)
                self.assertEqual((code, "LISTEN" in err), (111, True))

    def test_a_stale_socket_is_replaced(self):
        self.serve().stop(signal.SIGKILL)
        self.serve()
        self.assertEqual(self.connect(self.path("policy")).policy("joe@local.example"), "DUNNO")

    def test_thousands_of_idle_clients(self):
        """They cost little, and nobody waits for them."""
        wanted = 3000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < wanted + 100:
            self.skipTest("this system allows too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 100), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.serve()
        before = self.memory()
        idle = []
        self.addCleanup(lambda: [s.close() for s in idle])
        for _ in range(wanted):
            other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            idle.append(other)
            other.connect(self.path("policy"))
        asker = self.connect(self.path("policy"))
        self.assertEqual(asker.policy("joe@local.example"), "DUNNO")
        self.assertLess(self.memory() - before, 16 << 20)

    def memory(self):
        with open("/proc/%d/status" % self.verify.pid, encoding="ascii") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


# ---- Postfix -------------------------------------------------------------------------------------

class UnderPostfix(Streams):
    """Each by another of Postfix's ways to ask; Postfix is one of the test's own."""

    def postfix(self, *main):
        path = tempfile.mkdtemp(prefix="qv-postfix-")
        self.addCleanup(shutil.rmtree, path, True)
        os.chmod(path, 0o755)
        self.server = peers.Postfix(path, *main)
        self.addCleanup(self.server.stop)
        return self.server.port

    def judge(self, port, expected):
        """One session with a recipient each; {local part: (code, part of the text)}."""
        session = self.smtp(port)
        session.command("EHLO client.example")
        self.assertEqual(session.mail()[0], 250)
        for address, (code, text) in expected.items():
            reply = session.rcpt(address)
            self.assertEqual(reply[0], code, "\n".join(session.transcript))
            self.assertIn(text, reply[1])
        self.assertEqual(session.data()[0], 250, "\n".join(session.transcript))

    def test_policy_as_the_readme_has_it(self):
        inet = lib.free_port(socket.SOCK_STREAM)
        self.serve("policy:inet:127.0.0.1:%d" % inet)
        example = lib.readme_example("postfix", "policy")
        port = self.postfix(example.replace("11115", str(inet)).rstrip("\n"), "mynetworks =")
        self.judge(port, {"joe@local.example": (250, ""), "nobody@local.example": (550, "5.1.1"),
                          "joe@elsewhere.example": (554, "5.7.1"),
                          "lost-x@local.example": (450, "4.3.0")})
        self.verify.stop()
        session = self.smtp(port)
        session.command("EHLO client.example")
        session.mail()
        self.assertEqual(session.rcpt("joe@local.example")[0], 451)
        self.assertEqual(session.command("NOOP")[0], 250)

    def test_policy(self):
        self.serve()
        port = self.postfix("smtpd_recipient_restrictions = check_policy_service unix:%s" %
                            self.path("policy"),
                            "smtpd_data_restrictions = check_policy_service unix:%s" %
                            self.path("policy"),
                            "smtpd_end_of_data_restrictions = check_policy_service unix:%s" %
                            self.path("policy"))
        self.judge(port, {"joe@local.example": (250, ""), "mary@local.example": (250, ""),
                          "nobody@local.example": (550, "5.1.1"),
                          "lost-x@local.example": (450, "4.3.0"),
                          "info@virtual.example": (250, "")})
        # Postfix's log is written by a process of its own, which the SMTP reply does not wait for.
        lib.wait_until(lambda: "no mailbox of this name" in self.server.log(),
                       what="the reason in Postfix's log")
        self.verify.wait_log("verify result=not-valid .*rcpt=nobody@local.example .*client=127.0.0.1")

    def by_table(self, setting):
        port = self.postfix(setting)
        self.judge(port, {"joe@local.example": (250, ""), "nobody@local.example": (550, "5.1.1"),
                          "lost-x@local.example": (451, "4.3.0"),
                          "sales-x@virtual.example": (250, "")})

    def test_socketmap(self):
        self.serve()
        self.by_table("relay_recipient_maps = socketmap:unix:%s:verify" % self.path("socketmap"))

    def test_socketmap_as_the_readme_has_it(self):
        port = lib.free_port(socket.SOCK_STREAM)
        self.serve("socketmap:inet:127.0.0.1:%d" % port)
        example = lib.readme_example("postfix", "socketmap")
        self.by_table(example.replace("11116", str(port)).rstrip("\n"))

    def test_tcp(self):
        port = lib.free_port(socket.SOCK_STREAM)
        self.serve("tcp_table:inet:127.0.0.1:%d" % port)
        self.by_table(lib.readme_example("postfix", "tcp").replace("11117", str(port)).rstrip("\n"))

    def test_a_restart_is_not_noticed_for_long(self):
        verify = self.serve()
        port = self.postfix("smtpd_recipient_restrictions = check_policy_service unix:%s" %
                            self.path("policy"))
        session = self.smtp(port)
        session.command("EHLO client.example")
        session.mail()
        self.assertEqual(session.rcpt("joe@local.example")[0], 250)
        verify.stop()
        self.serve()
        self.assertEqual(session.rcpt("nobody@local.example")[0], 550)
        self.assertEqual(session.rcpt("mary@local.example")[0], 250)

    def test_under_load(self):
        """smtp-source with 20 sessions: everything is accepted, nothing waits."""
        self.serve()
        port = self.postfix("smtpd_recipient_restrictions = check_policy_service unix:%s" %
                            self.path("policy"))
        code, out, err = self.run_program(
            [lib.peer("smtp-source"), "-s", "20", "-m", "200", "-f", "a@remote.example", "-t",
             "joe@local.example", "127.0.0.1:%d" % port])
        self.assertEqual(code, 0, out + err)
        lib.wait_until(lambda: self.verify.log().count("rcpt=joe@local.example") == 200, 10,
                       "every recipient judged once")


if __name__ == "__main__":
    unittest.main()
