#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-virtual and qmail-lmtpd with real files: from a pipe, over LMTP, under Postfix; read back by other programs;
killed at any moment; on a disk that fills."""

import fcntl
import mailbox
import os
import pty
import pwd
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

import lib
import peers
from lib import (E2eTest, IS_ROOT, NOBODY, Smtp, accepts, free_port, peer, program, wait_until,
                 write_atomically)

UID = 61001 if IS_ROOT else os.getuid()
GID = 61001 if IS_ROOT else os.getgid()
MESSAGE = b"From: a@remote.example\nSubject: test\n\nhello\nFrom here on\n"


def read_all(fd, into):
    """Reads a terminal until nobody is on its other side."""
    try:
        while data := os.read(fd, 4096):
            into.append(data)
    except OSError:
        pass
    os.close(fd)


class Lmtp:
    """One LMTP session."""

    def __init__(self, address, timeout=30):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        """The last line of the next reply, or None where the server has closed."""
        while True:
            try:
                line = self.file.readline()
            except ConnectionError:
                return None
            if not line:
                return None
            if line[3:4] != b"-":
                return line.decode().rstrip("\r\n")

    def send(self, data):
        self.socket.sendall(data)

    def command(self, line):
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def begin(self, *recipients, sender="a@remote.example"):
        """LHLO, MAIL, RCPT; the replies to RCPT."""
        self.command("LHLO client.example")
        assert self.command("MAIL FROM:<%s>" % sender).startswith("250")
        return [self.command("RCPT TO:<%s>" % r) for r in recipients]

    def data(self, body, accepted=1):
        """The replies after the final dot."""
        reply = self.command("DATA")
        if not reply.startswith("354"):
            return [reply]
        self.send(body + b".\r\n")
        return [self.reply() for _ in range(accepted)]

    def close(self):
        self.file.close()
        self.socket.close()


def connects(path):
    """Does somebody listen on this socket?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
            return True
        except OSError:
            return False


def spawners_of(front):
    """Process ids of the spawners of writers and of table processes."""
    wait_until(lambda: len(lib.children(front)) == 2, 10, "spawners")  # the socket is there before
    writers, tables = lib.children(front)
    return writers, tables


def writers_of(front):
    """Process ids of what writes mailboxes for the process that talks to clients."""
    return lib.children(spawners_of(front)[0])


def parse_mbox(data):
    """The messages of an mbox, as bytes; fails where something is not one."""
    parts = re.split(rb"(?m)^From [^\n]*\n", data)
    assert parts[0] == b"", data[:200]
    return parts[1:]


class DeliverTest(E2eTest):
    def setUp(self):
        super().setUp()
        self.mail = self.at("mail")
        os.makedirs(self.at("control"))
        os.makedirs(self.mail)
        os.chown(self.mail, UID, GID)
        self.control("virtual_mailbox_base", self.mail)
        self.table("virtual_mailbox_maps", {
            "bob@virtual.example": "bob/", "mary@virtual.example": "mary.mbox",
            "joe@virtual.example": "joe/"})
        self.control("virtual_uid_maps", "static:%d" % UID)
        self.control("virtual_gid_maps", "static:%d" % GID)
        self.env = {"QMAILHOME": self.dir, "VIRTUALUSER": NOBODY}

    def control(self, name, text):
        write_atomically(self.at("control", name), text + "\n")

    def table(self, name, rows):
        path = self.at(name + ".txt")
        write_atomically(path, "".join("%s %s\n" % row for row in rows.items()))
        self.control(name, "texthash:" + path)

    def deliver(self, *args, message=MESSAGE, **env):
        """(exit code, standard output) of a delivery from a pipe."""
        code, out, self.log = self.run_program([program("qmail-virtual"), *args],
                                               {**self.env, **env}, message)
        return code, out

    def messages(self, name):
        """What stands in new/ of a maildir."""
        directory = os.path.join(self.mail, name, "new")
        found = []
        for each in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            with open(os.path.join(directory, each), "rb") as f:
                found.append(f.read())
        return found

    def mbox(self, name="mary.mbox"):
        with open(os.path.join(self.mail, name), "rb") as f:
            return f.read()

    def start_lmtp(self, *options, listen=None, command=("qmail-lmtpd",), **env):
        listen = listen or "unix:" + self.at("lmtp.sock")
        path = listen.split()[0].removeprefix("unix:")
        process = self.start([program(command[0]), *options, *command[1:]],
                             {**self.env, "LISTEN": listen, "LISTENMODE": "0666", **env},
                             lambda: connects(path), name=command[0])
        process.address = path
        return process

    def lmtp(self, server):
        session = Lmtp(getattr(server, "address", server))
        self.addCleanup(session.close)
        return session


class PipeTest(DeliverTest):
    def test_envelope_on_the_command_line(self):
        self.assertEqual(self.deliver("-f", "a@remote.example", "-d", "orig@x", "--",
                                      "Bob@virtual.example"), (0, ""))
        self.assertEqual(self.messages("bob"), [
            b"Return-Path: <a@remote.example>\nX-Original-To: orig@x\n"
            b"Delivered-To: Bob@virtual.example\n" + MESSAGE])
        self.assertRegex(self.log, r"^deliver status=done code=2\.0\.0 rcpt=Bob@virtual\.example "
                         r"sender=a@remote\.example mailbox=\S*/bob/ uid=%d bytes=\d+ us=\d+\n$" % UID)

    def test_envelope_of_qmail_command(self):
        env = {"SENDER": "", "DEFAULT": "bob", "EXT": "v-bob", "HOST": "virtual.example"}
        self.assertEqual(self.deliver(**env)[0], 0)
        self.assertTrue(self.messages("bob")[0].startswith(
            b"Return-Path: <>\nX-Original-To: bob@virtual.example\n"))
        self.assertEqual(self.deliver(SENDER="", EXT="bob", HOST="virtual.example")[0], 0)
        self.assertEqual(len(self.messages("bob")), 2)
        env = {"SENDER": "", "LOCAL": "bob", "HOST": "virtual.example"}
        self.assertEqual(self.deliver(**env)[0], 111)
        self.assertEqual(self.deliver("-o", "virtual_recipient=$LOCAL@$HOST", **env)[0], 0)
        self.assertEqual(len(self.messages("bob")), 3)

    def test_worst_exit_code_of_several(self):
        send = lambda *to: self.deliver("-f", "a@x", "--", *to)
        self.assertEqual(send("bob@virtual.example", "mary@virtual.example")[0], 0)
        code, out = send("bob@virtual.example", "no@virtual.example")
        self.assertEqual((code, out), (100, "5.1.1 no@virtual.example: no such mailbox\n"))
        self.table("virtual_mailbox_maps", {"bob@virtual.example": "bob/",
                                            "odd@virtual.example": "../odd"})
        code, out = send("no@virtual.example", "bob@virtual.example", "odd@virtual.example")
        self.assertEqual(code, 111)
        self.assertEqual(out.splitlines()[0],
                         "4.3.5 odd@virtual.example: mail system is misconfigured")
        self.assertEqual(len(self.messages("bob")), 3)
        self.assertEqual(send("bob@virtual.example", "bob@virtual.example")[0], 0)
        self.assertEqual(len(self.messages("bob")), 4)  # once

    def test_a_retry_does_not_deliver_again(self):
        self.control("virtual_spool_directory", self.dir)
        write_atomically(self.at("gids"), "bob@virtual.example %d\n" % GID)
        self.control("virtual_gid_maps", "texthash:" + self.at("gids"))
        to = ["bob@virtual.example", "mary@virtual.example"]
        self.assertEqual(self.deliver("-f", "a@x", *to)[0], 111)
        self.assertEqual(self.deliver("-f", "a@x", *to)[0], 111)
        self.assertEqual(len(self.messages("bob")), 1)
        self.control("virtual_gid_maps", "static:%d" % GID)
        self.assertEqual(self.deliver("-f", "a@x", *to)[0], 0)
        self.assertIn("delivered-before=bob@virtual.example", self.log)
        self.assertEqual((len(self.messages("bob")), len(parse_mbox(self.mbox()))), (1, 1))
        # The same again is not the same delivery any more: nobody was waiting for it.
        self.assertEqual(self.deliver("-f", "a@x", *to)[0], 0)
        self.assertEqual(len(self.messages("bob")), 2)

    def test_input_from_a_file_is_read_from_where_it_stands(self):
        write_atomically(self.at("message"), b"skipped\n" + MESSAGE)
        with open(self.at("message"), "rb", buffering=0) as f:
            f.read(8)
            code = subprocess.run([program("qmail-virtual"), "-f", "", "bob@virtual.example"],
                                  stdin=f, env=self.env, check=False,
                                  stderr=subprocess.DEVNULL).returncode
        self.assertEqual(code, 0)
        self.assertTrue(self.messages("bob")[0].endswith(b"virtual.example\n" + MESSAGE))

    def test_refuses_loops_and_line_ends(self):
        loop = b"Delivered-To: bob@virtual.example\n" + MESSAGE
        code, out = self.deliver("-f", "a@x", "bob@virtual.example", message=loop)
        self.assertEqual((code, out[:5]), (100, "5.4.6"))
        code, out = self.deliver("-f", "a\nFrom x", "bob@virtual.example")
        self.assertEqual((code, out[:5]), (100, "5.6.0"))
        self.assertEqual(self.messages("bob"), [])

    def test_mistakes_of_the_operator_are_temporary_and_found(self):
        os.unlink(self.at("control/virtual_uid_maps"))
        self.control("virtual_mailbox_base", "relative")
        self.control("virtual_gid_maps", "cdb:/nonexistent/gids")
        code, out = self.deliver("-f", "a@x", "bob@virtual.example")
        self.assertEqual((code, out), (111, "4.3.5 mail system is misconfigured\n"))
        code, out = self.deliver("--check-config")
        self.assertEqual((code, out), (111, ""))
        for line in ("control/virtual_uid_maps: is not set", "control/virtual_mailbox_base:1: "):
            self.assertIn("\n" + line, "\n" + self.log)
        self.assertIn("control/virtual_gid_maps:1: cdb:/nonexistent/gids", self.log)

    def test_a_table_that_is_away_defers(self):
        self.control("virtual_mailbox_maps", "cdb:/nonexistent/x")
        code, out = self.deliver("-f", "a@x", "bob@virtual.example")
        self.assertEqual((code, out[:2]), (111, "4."))

    def test_patterns_never_become_part_of_a_path(self):
        write_atomically(self.at("re"), "/^(.*)@virtual.example$/ $1/\n")
        self.control("virtual_mailbox_maps", "regexp:" + self.at("re"))
        code, out = self.deliver("-f", "a@x", "bob@virtual.example")
        self.assertEqual((code, out[:5]), (111, "4.3.5"))

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_root_is_never_delivered_to(self):
        for name, value in (("virtual_uid_maps", "0"), ("virtual_gid_maps", "0"),
                            ("virtual_uid_maps", "99")):
            self.control("virtual_uid_maps", "static:%d" % UID)
            self.control("virtual_gid_maps", "static:%d" % GID)
            self.control(name, "static:" + value)
            code, out = self.deliver("-f", "a@x", "bob@virtual.example")
            self.assertEqual((code, out[:5]), (111, "4.3.5"), (name, value))
        self.assertEqual(os.listdir(self.mail), [])

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_what_is_written_is_the_recipients(self):
        self.deliver("-f", "a@x", "bob@virtual.example", "mary@virtual.example")
        for directory, names, files in os.walk(self.mail):
            for each in names + files:
                st = os.lstat(os.path.join(directory, each))
                self.assertEqual((st.st_uid, st.st_gid), (UID, GID), each)

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_a_site_of_one_uid_needs_no_root(self):
        command = ["setpriv", "--reuid=%d" % UID, "--regid=%d" % GID, "--clear-groups",
                   program("qmail-virtual"), "-f", "a@x"]
        to = ["bob@virtual.example", "mary@virtual.example"]
        code, _, err = self.run_program([*command, *to], self.env, MESSAGE)
        self.assertEqual((code, len(self.messages("bob"))), (0, 1), err)
        self.control("virtual_uid_maps", "static:%d" % (UID + 1))
        code, out, err = self.run_program([*command, *to], self.env, MESSAGE)
        self.assertEqual((code, out[:5], len(self.messages("bob"))), (111, "4.3.5", 1), err)

    def test_subfolders_for_extensions(self):
        self.deliver("-f", "a@x", "bob+lists@virtual.example")
        os.makedirs(os.path.join(self.mail, "bob", ".lists"), mode=0o700)
        os.chown(os.path.join(self.mail, "bob", ".lists"), UID, GID)
        self.deliver("-f", "a@x", "bob+lists@virtual.example")
        self.assertEqual(len(self.messages("bob")), 2)
        self.control("virtual_extension_folders", "yes")
        self.deliver("-f", "a@x", "bob+lists@virtual.example", "bob+other@virtual.example")
        self.assertEqual((len(self.messages("bob")), len(self.messages("bob/.lists"))), (3, 1))


class TableTypesTest(DeliverTest):
    """Types that need a client library of a database are modules, loaded when a table names them."""

    def use_sqlite(self):
        database = self.at("users.db")
        with sqlite3.connect(database) as connection:
            connection.execute("create table boxes (name text, path text)")
            connection.execute("insert into boxes values ('bob@virtual.example', 'bob/')")
        connection.close()
        write_atomically(self.at("boxes.cf"), "dbpath = %s\nquery = select path from boxes where "
                         "name = '%%s'\n" % database)
        self.control("virtual_mailbox_maps", "unionmap:{sqlite:%s}" % self.at("boxes.cf"))

    def test_all_types_are_there_in_every_way_of_running(self):
        self.use_sqlite()
        self.assertEqual(self.deliver("-f", "a@x", "bob@virtual.example"), (0, ""), self.log)
        self.assertEqual(self.deliver("--check-config"), (0, ""), self.log)
        self.assertIn("250 2.0.0", self.deliver("--lmtp", message=(
            b"LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bob@virtual.example>\r\nDATA\r\n"
            b"\r\nx\r\n.\r\n"))[1])
        for number, command in enumerate((("qmail-lmtpd",), ("qmail-virtual", "--daemon"))):
            session = self.lmtp(self.start_lmtp(command=command,
                                                listen="unix:%s.%d" % (self.at("lmtp"), number)))
            session.begin("bob@virtual.example")
            self.assertEqual(session.data(b"\r\nx\r\n")[0][:3], "250")
        self.assertEqual(len(self.messages("bob")), 4)

    def test_a_query_to_postgresql_from_a_pipe(self):
        postgres = peers.Postgres(self)
        postgres.feed("CREATE TABLE boxes (name text, path text);"
                      "INSERT INTO boxes VALUES ('bob@virtual.example', 'bob/');")
        self.control("virtual_mailbox_maps", "pgsql:" + postgres.table(
            "boxes.cf", "SELECT path FROM boxes WHERE name = '%s'"))
        self.assertEqual(self.deliver("-f", "a@x", "bob@virtual.example"), (0, ""), self.log)
        self.assertEqual(len(self.messages("bob")), 1)
        self.assertEqual(self.deliver("-f", "a@x", "nobody@virtual.example")[0], 100)
        postgres.stop()
        self.assertEqual(self.deliver("-f", "a@x", "bob@virtual.example")[0], 111)

    def test_a_running_daemon_takes_on_a_type_at_sighup(self):
        server = self.start_lmtp()
        self.control("virtual_mailbox_maps", "inline:{mary@virtual.example=mary/}")
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: self.lmtp(server).begin("bob@virtual.example")[0][:3] == "550")
        self.use_sqlite()
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: self.lmtp(server).begin("bob@virtual.example")[0][:3] == "250")

    def test_without_the_module_mail_waits(self):
        self.use_sqlite()
        alone = self.at("qmail-virtual")
        shutil.copy(program("qmail-virtual"), alone)
        code, out, err = self.run_program([alone, "-f", "a@x", "bob@virtual.example"], self.env,
                                          MESSAGE)
        self.assertEqual(code, 111, out + err)
        self.assertRegex(out, r"^4\.3\.[05] ")
        self.assertRegex(err, r"/qmail-verify/maps/sqlite\.so,.*not.*installed")
        for way in ("--lmtp", "--daemon"):
            code, out, err = self.run_program([alone, way], self.env)
            self.assertEqual((code, out), (111, ""))
            self.assertIn("/qmail-lmtpd: cannot be run", err)


class ReadBackTest(DeliverTest):
    """What other programs make of it."""

    def setUp(self):
        super().setUp()
        for n in range(3):
            message = b"From: a@x\nSubject: number %d\n\nFrom the start\nend" % n
            code, _ = self.deliver("-f", "a@x", "bob@virtual.example", "mary@virtual.example",
                                   message=message)
            self.assertEqual(code, 0, self.log)

    def test_python(self):
        for box in (mailbox.Maildir(self.mail + "/bob", create=False),
                    mailbox.mbox(self.mail + "/mary.mbox", create=False)):
            self.assertEqual(sorted(m["Subject"] for m in box),
                             ["number 0", "number 1", "number 2"])
            for message in box:
                self.assertEqual(message["Return-Path"], "<a@x>")
                self.assertRegex(message.get_payload(), r"\A>?From the start\nend\n\Z")
            box.close()

    def test_s_nail(self):
        s_nail = peer("s-nail")
        code, out, err = self.run_program([s_nail, "-n", "-R", "-H", "-f", self.mail + "/mary.mbox"],
                                          {"HOME": self.dir})
        self.assertEqual(code, 0, err)
        for n in range(3):
            self.assertIn("number %d" % n, out)

    def test_mutt(self):
        mutt = peer("mutt")
        for box in ("bob", "mary.mbox"):
            argv = [mutt, "-F", "/dev/null", "-n", "-R", "-f", os.path.join(self.mail, box),
                    "-e", "set folder=" + self.mail]
            ours, its = pty.openpty()
            process = subprocess.Popen(argv, stdin=its, stdout=its, stderr=its, close_fds=True,
                                       env={"HOME": self.dir, "TERM": "xterm", "LINES": "24",
                                            "COLUMNS": "80", "PATH": "/usr/bin:/bin"})
            os.close(its)
            shown = []
            drain = threading.Thread(target=read_all, args=(ours, shown))
            drain.start()
            try:
                wait_until(lambda: all(b"number %d" % n in b"".join(shown) for n in range(3)), 20,
                           "all three in mutt's index of " + box)
            finally:
                process.kill()
                process.wait()
                drain.join()

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_dovecot(self):
        doveadm = peer("doveadm")
        write_atomically(self.at("dovecot.conf"), "ssl = no\nlog_path = /dev/stderr\n")
        home = os.path.join(self.mail, "home")
        os.makedirs(home)
        os.chown(home, UID, GID)
        for location in ("maildir:%s/bob", "mbox:%s/home:INBOX=%s/mary.mbox"):
            where = location.replace("%s", self.mail)
            code, out, err = self.run_program(
                ["setpriv", "--reuid=%d" % UID, "--regid=%d" % GID, "--clear-groups", doveadm,
                 "-c", self.at("dovecot.conf"), "-o", "mail_location=" + where, "fetch",
                 "hdr.subject text", "mailbox", "INBOX", "all"], {"HOME": home, "USER": "bob"})
            self.assertEqual(code, 0, err)
            for n in range(3):
                self.assertIn("number %d" % n, out, where + err)


class LmtpTest(DeliverTest):
    def test_one_reply_per_recipient(self):
        session = self.lmtp(self.start_lmtp())
        self.assertEqual([r[:9] for r in session.begin(
            "bob@virtual.example", "no@virtual.example", "mary@virtual.example")],
            ["250 2.1.5", "550 5.1.1", "250 2.1.5"])
        self.assertEqual([r[:9] for r in session.data(b"Subject: x\r\n\r\n..dot\r\n", 2)],
                         ["250 2.0.0", "250 2.0.0"])
        self.assertTrue(self.messages("bob")[0].endswith(b"Subject: x\n\n.dot\n"))
        self.assertEqual(len(parse_mbox(self.mbox())), 1)

    def test_a_session_of_many_messages(self):
        session = self.lmtp(self.start_lmtp())
        for n in range(20):
            session.begin("bob@virtual.example")
            session.data(b"Subject: %d\r\n\r\n" % n)
        self.assertEqual(len(self.messages("bob")), 20)

    def test_pipelined_behind_the_message(self):
        session = self.lmtp(self.start_lmtp())
        one = b"MAIL FROM:<>\r\nRCPT TO:<bob@virtual.example>\r\nDATA\r\nx\r\n.\r\n"
        session.send(b"LHLO c\r\n" + one * 10 + b"QUIT\r\n")
        replies = []
        while (reply := session.reply()) is not None:
            replies.append(reply[:3])
        self.assertEqual(replies, ["250"] + ["250", "250", "354", "250"] * 10 + ["221"])
        self.assertEqual(len(self.messages("bob")), 10)

    def test_chunks_and_size(self):
        self.control("message_size_limit", "100000")
        session = self.lmtp(self.start_lmtp())
        session.begin("bob@virtual.example")
        body = b"Subject: x\r\n\r\n" + b"y" * 70000
        session.send(b"BDAT %d\r\n" % len(body) + body + b"BDAT 3 LAST\r\nz\r\n")
        self.assertEqual([session.reply()[:3] for _ in range(2)], ["250", "250"])
        self.assertTrue(self.messages("bob")[0].endswith(b"yz\n"))
        session.begin("bob@virtual.example", "mary@virtual.example")
        self.assertEqual([r[:9] for r in session.data(b"x" * 100001 + b"\r\n", 2)],
                         ["552 5.3.4"] * 2)
        self.assertEqual(len(self.messages("bob")), 1)

    def test_many_clients_at_once(self):
        server = self.start_lmtp()
        idle = [self.lmtp(server) for _ in range(100)]
        failed = []

        def talk(count):
            try:
                session = Lmtp(server.address)
                for _ in range(count):
                    session.begin("bob@virtual.example", "joe@virtual.example",
                                  "mary@virtual.example")
                    for reply in session.data(b"Subject: x\r\n\r\nbody\r\n", 3):
                        if not reply.startswith("250"):
                            failed.append(reply)
                session.close()
            except Exception as e:  # a thread's exception must not be lost
                failed.append(repr(e))

        threads = [threading.Thread(target=talk, args=(5,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(len(self.messages("bob")), 40)
        self.assertEqual(len(self.messages("joe")), 40)
        self.assertEqual(len(parse_mbox(self.mbox())), 40)
        self.assertEqual(idle[0].command("NOOP")[:3], "250")

    def test_thousands_of_clients(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4000:
            self.skipTest("only %d descriptors" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = self.start_lmtp("-o", "virtual_connection_limit=2500")
        idle = []
        for _ in range(2400):
            idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.addCleanup(idle[-1].close)
            idle[-1].connect(server.address)
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
        with open("/proc/%d/status" % server.pid, encoding="ascii") as f:
            kilobytes = int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1))
        self.assertLess(kilobytes, 64 * 1024)

    def test_standard_input_and_output(self):
        talk = (b"LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bob@virtual.example>\r\nDATA\r\n"
                b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n")
        code, out, _ = self.run_program([program("qmail-virtual"), "--lmtp"], self.env, talk)
        self.assertEqual((code, [line[:3] for line in out.splitlines()[-5:]]),
                         (0, ["250", "250", "354", "250", "221"]))
        self.assertEqual(len(self.messages("bob")), 1)

    def test_silent_clients_are_dropped(self):
        server = self.start_lmtp("-o", "virtual_timeout=1s")
        session = self.lmtp(server)
        self.assertEqual(session.reply()[:9], "421 4.4.2")
        self.assertIsNone(session.reply())

    def test_ends_what_it_has_begun(self):
        server = self.start_lmtp()
        idle, busy = self.lmtp(server), self.lmtp(server)
        busy.begin("bob@virtual.example")
        busy.command("DATA")
        busy.send(b"Subject: x\r\n")
        time.sleep(0.3)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(idle.reply()[:3], "421")
        busy.send(b"\r\nbody\r\n.\r\n")
        self.assertEqual(busy.reply()[:3], "250")
        self.assertEqual(server.wait(), 0)
        self.assertEqual(len(self.messages("bob")), 1)

    def test_settings_are_read_again_on_sighup(self):
        server = self.start_lmtp()
        self.assertEqual(self.lmtp(server).begin("new@other.example")[0][:3], "550")
        self.table("virtual_mailbox_maps", {"@other.example": "other/"})
        self.control("virtual_mailbox_maps", "texthash:%s" % self.at("virtual_mailbox_maps.txt"))
        server.send_signal(signal.SIGHUP)
        server.wait_log("reload=done")
        wait_until(lambda: self.lmtp(server).begin("new@other.example")[0].startswith("250"))
        self.control("virtual_minimum_uid", "none")
        server.send_signal(signal.SIGHUP)
        server.wait_log("refused")
        self.assertEqual(self.lmtp(server).begin("new@other.example")[0][:3], "250")

    def test_usr1_logs_the_counters(self):
        """To the daemon and all processes it has started, as pkill -USR1 would.  Nobody ends, and the
        numbers are those of what was delivered."""
        server = self.start_lmtp()
        session = self.lmtp(server)
        codes = [reply[:3] for reply in session.begin(
            "bob@virtual.example", "nobody@virtual.example", "joe@virtual.example")]
        self.assertEqual(codes, ["250", "550", "250"])
        self.assertEqual([r[:3] for r in session.data(b"x\r\n", 2)], ["250", "250"])
        session.begin("bob@virtual.example")
        # A message that is looping.
        reply, = session.data(b"Delivered-To: bob@virtual.example\r\n\r\nx\r\n")
        self.assertEqual(reply[:3], "554")
        family = lib.descendants(server.pid)
        self.assertGreaterEqual(len(family), 2)  # two spawners at least
        counted = lib.counters_of(server, family)
        written = sum(len(message) for name in ("bob", "joe") for message in self.messages(name))
        started = counted["workers_started"]
        self.assertEqual(counted, {
            "accepted": counted["accepted"], "recipients": 4, "refused_recipients": 1, "messages": 2,
            "done": 2, "retry": 0, "refuse": 1, "bytes": written, "overdue": 0,
            "workers_started": started, "workers_lost": 0, "clients": 1, "workers": started})
        self.assertGreaterEqual(counted["accepted"], 1)
        self.assertGreaterEqual(started, 1)
        # What was counted outlives the processes that wrote.
        for writer in writers_of(server.pid):
            os.kill(writer, signal.SIGKILL)
        wait_until(lambda: lib.counters_of(server)["workers_lost"] == started, 10, "dead writers")
        again = self.lmtp(server)
        again.begin("bob@virtual.example")
        self.assertEqual(again.data(b"x\r\n")[0][:3], "250")
        counted = lib.counters_of(server, lib.descendants(server.pid))
        self.assertEqual((counted["done"], counted["workers_started"], counted["workers"]),
                         (3, started + 1, 1))
        self.assertEqual(server.stop(), 0)
        self.assertRegex(server.log().splitlines()[-1], "^counters accepted=")

    def test_usr1_ends_no_single_session(self):
        with subprocess.Popen([program("qmail-virtual"), "--lmtp"], env=self.env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            self.assertEqual(process.stdout.readline()[:3], b"220")
            for pid in (*lib.descendants(process.pid), process.pid):
                os.kill(pid, signal.SIGUSR1)
            process.stdin.write(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@virtual.example>\r\nQUIT\r\n")
            process.stdin.flush()
            replies = process.stdout.read()
            self.assertIn(b"\r\n221 ", replies)
            self.assertIn(b"250 2.1.5", replies)

    def test_a_writer_that_died_is_replaced(self):
        server = self.start_lmtp()
        session = self.lmtp(server)
        for n in range(3):
            session.begin("bob@virtual.example")
            self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
            for writer in writers_of(server.pid):
                os.kill(writer, signal.SIGKILL)
            wait_until(lambda: not writers_of(server.pid), 10, "dead writers")
        self.assertEqual(len(self.messages("bob")), 3)

    def test_a_daemon_that_died_is_started_again_on_its_socket(self):
        server = self.start_lmtp()
        session = self.lmtp(server)
        os.kill(server.pid, signal.SIGKILL)
        self.assertIsNone(session.reply())
        server.wait()
        again = self.lmtp(self.start_lmtp())
        self.assertEqual(again.begin("bob@virtual.example")[0][:3], "250")

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_writers_are_the_recipient_and_hold_nothing_else(self):
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        session.data(b"x\r\n")
        writer = writers_of(server.pid)[0]
        with open("/proc/%d/status" % writer, encoding="ascii") as f:
            status = f.read()
        for key, value in (("Uid", UID), ("Gid", GID)):
            self.assertIn("%s:\t%s\n" % (key, "\t".join([str(value)] * 4)), status)
        self.assertRegex(status, r"(?m)^Groups:\t%d $" % GID)
        self.assertRegex(status, r"(?m)^CapEff:\t0+$")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\t1$")
        # Besides those: a socket to the front and one to its table process.
        links = [os.readlink("/proc/%d/fd/%s" % (writer, fd))
                 for fd in sorted(os.listdir("/proc/%d/fd" % writer)) if fd not in "012"]
        self.assertEqual([link.split(":")[0] for link in links], ["socket", "socket"], links)

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_who_talks_to_clients_has_no_rights(self):
        nobody = pwd.getpwnam(NOBODY)
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        session.data(b"x\r\n")
        with open("/proc/%d/status" % server.pid, encoding="ascii") as f:
            status = f.read()
        for key, value in (("Uid", nobody.pw_uid), ("Gid", nobody.pw_gid)):
            self.assertIn("%s:\t%s\n" % (key, "\t".join([str(value)] * 4)), status)
        self.assertRegex(status, r"(?m)^Groups:\t%d $" % nobody.pw_gid)
        self.assertRegex(status, r"(?m)^CapEff:\t0+$")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\t1$")
        # The one that has them holds no client, no listener and no message.
        spawner = spawners_of(server.pid)[0]
        names = {os.readlink("/proc/%d/fd/%s" % (spawner, fd)).split(":")[0]
                 for fd in ("0", "1")}
        self.assertEqual(names, {"/dev/null"})
        # Its sockets are channels to processes of ours: the front and the one that is ready.
        links = [os.readlink("/proc/%d/fd/%s" % (spawner, fd))
                 for fd in os.listdir("/proc/%d/fd" % spawner)]
        sockets = [link[len("socket:["):-1] for link in links if link.startswith("socket:")]
        self.assertEqual(len(sockets), 2)
        with open("/proc/net/unix", encoding="ascii") as f:
            types = {fields[6]: fields[4] for fields in map(str.split, f) if len(fields) == 7}
        self.assertEqual({types[inode] for inode in sockets}, {"%04X" % socket.SOCK_SEQPACKET})

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_who_reads_tables_has_no_rights(self):
        nobody = pwd.getpwnam(NOBODY)
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        session.data(b"x\r\n")
        writer, = writers_of(server.pid)
        own, = lib.children(writer)
        for process in (own, *lib.children(spawners_of(server.pid)[1])):
            with open("/proc/%d/status" % process, encoding="ascii") as f:
                status = f.read()
            self.assertIn("Name:\tqv-tables\n", status)
            self.assertIn("Uid:\t%s\n" % "\t".join([str(nobody.pw_uid)] * 4), status)
            self.assertRegex(status, r"(?m)^CapEff:\t0+$")

    def test_without_its_spawner_it_ends_to_be_started_again(self):
        server = self.start_lmtp()
        session, waits, busy = (self.lmtp(server) for _ in range(3))
        busy.begin("bob@virtual.example")
        busy.data(b"x\r\n")  # a writer is there, and goes on
        busy.begin("bob@virtual.example")
        busy.command("DATA")
        waits.command("LHLO c")
        waits.command("MAIL FROM:<a@x>")
        writers, tables = spawners_of(server.pid)
        for process in (tables, *lib.children(tables)):
            os.kill(process, signal.SIGSTOP)
        waits.send(b"RCPT TO:<bob@virtual.example>\r\n")
        self.assertEqual(session.command("NOOP")[:3], "250")
        os.kill(tables, signal.SIGKILL)
        self.assertEqual(waits.reply()[:3], "451")
        self.assertEqual((waits.reply()[:3], session.reply()[:3]), ("421", "421"))
        busy.send(b"x\r\n.\r\n")
        self.assertEqual(busy.reply()[:3], "250")
        self.assertEqual(server.wait(), 111)
        self.assertEqual(len(self.messages("bob")), 2)
        # Without that of the writers mail waits, too.
        server = self.start_lmtp()
        last = self.lmtp(server)
        last.begin("bob@virtual.example")
        os.kill(spawners_of(server.pid)[0], signal.SIGKILL)
        self.assertEqual(last.reply()[:3], "421")
        self.assertEqual(server.wait(), 111)
        self.assertIn("worker event=spawner_gone", server.log())
        server = self.start_lmtp()
        again = self.lmtp(server)
        again.begin("bob@virtual.example")
        self.assertEqual(again.data(b"x\r\n")[0][:3], "250")
        # And spawners whose daemon is gone end.
        spawners = spawners_of(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        for spawner in spawners:
            wait_until(lambda: not os.path.exists("/proc/%d" % spawner), 10, "the spawner's end")

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_an_account_that_cannot_be_is_refused(self):
        for account in ("no-such-account", "root", ":0:5", ""):
            with self.subTest(account):
                code, _, err = self.run_program(
                    [program("qmail-lmtpd")],
                    {**self.env, "LISTEN": "unix:" + self.at("s"), "VIRTUALUSER": account}, seconds=10)
                self.assertEqual(code, 111)
                self.assertIn("VIRTUALUSER", err)

    def test_refuses_a_socket_that_is_served(self):
        first = self.start_lmtp()
        code, _, err = self.run_program(
            [program("qmail-lmtpd")],
            {**self.env, "LISTEN": "unix:" + first.address}, seconds=10)
        self.assertEqual(code, 111)
        self.assertIn("LISTEN", err)
        # What it started ends with it, and its socket is left behind.
        first.send_signal(signal.SIGKILL)
        first.wait()
        wait_until(lambda: not connects(first.address))
        self.assertTrue(os.path.exists(first.address))
        second = self.start_lmtp()
        wait_until(lambda: connects(second.address))

    def test_inet_sockets(self):
        ports = [free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM, "::1")]
        self.start_lmtp(listen="unix:%s inet:127.0.0.1:%d inet:[::1]:%d" % (
            self.at("lmtp.sock"), *ports))
        for host, port in zip(("127.0.0.1", "::1"), ports):
            self.assertEqual(self.lmtp((host, port)).greeting[:3], "220")


class SpoolTest(DeliverTest):
    """A message on its way is in one unnamed file, and in a mailbox when it is whole."""

    def begin_large(self, server, recipient="bob@virtual.example", size=200000):
        """A session in the middle of DATA."""
        session = self.lmtp(server)
        self.assertEqual(session.begin(recipient)[0][:3], "250")
        self.assertEqual(session.command("DATA")[:3], "354")
        session.send(b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * (size // 18))
        return session

    def tmp(self, name="bob"):
        directory = os.path.join(self.mail, name, "tmp")
        return os.listdir(directory) if os.path.isdir(directory) else []

    def spool_files(self, server):
        """{name: size} of the files without a name that the daemon and its children hold."""
        found = {}
        for pid in (server.pid, *lib.descendants(server.pid)):
            directory = "/proc/%d/fd" % pid
            for fd in os.listdir(directory):
                path = os.path.join(directory, fd)
                if "(deleted)" in os.readlink(path):
                    found[os.readlink(path)] = os.stat(path).st_size
        return found

    def wait_spool(self, server, size=100000):
        wait_until(lambda: any(n > size for n in self.spool_files(server).values()), 10,
                   "a growing spool file")

    def wait_nothing_left(self, server):
        wait_until(lambda: not self.spool_files(server) and self.tmp() == [], 10,
                   "the end of the spool file")

    def test_is_not_seen_before_it_is_whole(self):
        server = self.start_lmtp("-o", "virtual_spool_directory=" + self.at("spool"))
        os.mkdir(self.at("spool"))
        os.chmod(self.at("spool"), 0o1777)
        session = self.begin_large(server)
        self.wait_spool(server)
        self.assertEqual((self.messages("bob"), self.tmp()), ([], []))
        # One file, of no name, where it was told to be.
        self.assertEqual([name.startswith(self.at("spool")) for name in self.spool_files(server)],
                         [True])
        self.assertEqual(os.listdir(self.at("spool")), [])
        session.send(b"end\r\n.\r\n")
        self.assertEqual(session.reply()[:9], "250 2.0.0")
        message = self.messages("bob")[0]
        self.assertTrue(message.startswith(b"Return-Path: <a@remote.example>\nX-Original-To: "
                                           b"bob@virtual.example\nDelivered-To: bob@virtual"))
        self.assertTrue(message.endswith(b"0123456789abcdef\n" * 11111 + b"end\n"))
        self.wait_nothing_left(server)
        # The session and its writer are good for the next one, of either size.
        session.begin("bob@virtual.example")
        self.assertEqual(session.data(b"Subject: small\r\n")[0][:3], "250")
        self.assertEqual(len(self.messages("bob")), 2)
        self.wait_nothing_left(server)

    def test_a_client_that_dies_leaves_nothing(self):
        server = self.start_lmtp()
        for size in (1000, 200000):
            session = self.begin_large(server, size=size)
            self.wait_spool(server, size // 2)
            session.close()
            self.wait_nothing_left(server)
        self.assertEqual(self.messages("bob"), [])
        self.assertEqual(self.lmtp(server).begin("bob@virtual.example")[0][:3], "250")

    def test_a_client_that_falls_silent_or_thinks_better_leaves_nothing(self):
        server = self.start_lmtp("-o", "virtual_timeout=2s")
        session = self.lmtp(server)
        chunk = b"0123456789abcdef\r\n" * 10000
        for last, reply in ((b"RSET\r\n", "250"), (b"BDAT 0 LAST\r\n", "250"), (b"", "421")):
            session.begin("bob@virtual.example")
            session.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            self.assertEqual(session.reply()[:3], "250")
            self.wait_spool(server)
            session.send(last)
            self.assertEqual(session.reply()[:3], reply, last)
            self.wait_nothing_left(server)
        self.assertEqual(len(self.messages("bob")), 1)
        self.assertTrue(self.messages("bob")[0].endswith(b"0123456789abcdef\n" * 10000))

    def test_a_daemon_that_is_killed_leaves_nothing(self):
        server = self.start_lmtp()
        session = self.begin_large(server)
        self.wait_spool(server)
        os.kill(server.pid, signal.SIGKILL)
        self.assertIsNone(session.reply())
        self.assertEqual((self.tmp(), self.messages("bob")), ([], []))

    def test_a_writer_that_is_killed_is_reported(self):
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        session.data(b"first\r\n")
        session.close()
        writer, = writers_of(server.pid)
        os.kill(writer, signal.SIGSTOP)
        session = self.begin_large(server)
        session.send(b"more\r\n" * 100000 + b".\r\n")
        self.assertEqual(self.lmtp(server).command("NOOP")[:3], "250")
        os.kill(writer, signal.SIGKILL)
        self.assertEqual(session.reply()[:9], "451 4.3.0")
        self.assertEqual(len(self.messages("bob")), 1)
        session.begin("bob@virtual.example")
        self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
        server.wait_log("why=\"?delivery")

    def test_what_is_refused_leaves_nothing(self):
        self.control("virtual_mailbox_limit", "150000")
        self.table("virtual_mailbox_limit_maps", {"joe@virtual.example": "100000S"})
        server = self.start_lmtp("-o", "message_size_limit=300000")
        session = self.lmtp(server)
        for to, head, size, wanted in (
                ("bob", b"", 200000, "552 5.2.2"), ("joe", b"", 120000, "552 5.2.2"),
                ("bob", b"", 400000, "552 5.3.4"), ("bob", b"", 20000, "250 2.0.0"),
                ("bob", b"Delivered-To: bob@virtual.example\r\n", 20000, "554 5.4.6"),
                ("bob", b"Delivered-To: bob@virtual.example\r\n", 100, "554 5.4.6")):
            session.begin(to + "@virtual.example")
            reply = session.data(head + b"\r\n" + b"0123456789abcdef\r\n" * (size // 18))
            self.assertEqual(reply[0][:9], wanted, (to, size))
        wait_until(lambda: self.tmp() == [] and self.tmp("joe") == [], 10, "an empty tmp/")
        self.assertEqual((len(self.messages("bob")), len(self.messages("joe"))), (1, 0))

    def test_slow_clients_do_not_take_all_writers(self):
        server = self.start_lmtp("-o", "virtual_writer_limit=2")
        slow = [self.begin_large(server) for _ in range(4)]
        self.wait_spool(server)
        session = self.lmtp(server)
        for recipient in ("bob@virtual.example", "mary@virtual.example"):
            session.begin(recipient)
            self.assertEqual(session.data(b"Subject: quick\r\n")[0][:3], "250")
        for each in slow:
            each.send(b".\r\n")
        for each in slow:
            self.assertEqual(each.reply()[:3], "250")
        self.assertEqual(len(self.messages("bob")), 5)

    def test_a_writer_that_is_behind_at_any_byte(self):
        """It stops, and goes on when all is sent: whatever the end of the message meets, it is seen."""
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        session.data(b"\r\nfirst\r\n")
        writer = writers_of(server.pid)[0]
        sizes = range(60000, 300000, 6000)
        for size in sizes:
            session.begin("bob@virtual.example")
            self.assertEqual(session.command("DATA")[:3], "354")
            os.kill(writer, signal.SIGSTOP)
            session.send(b"\r\n" + b"0123456789abcdef\r\n" * (size // 18) + b".\r\n")
            time.sleep(0.02)
            os.kill(writer, signal.SIGCONT)
            self.assertEqual(session.reply()[:9], "250 2.0.0", size)
        self.assertEqual(len(self.messages("bob")), 1 + len(sizes))

    def test_large_messages_cost_no_memory(self):
        server = self.start_lmtp("-o", "virtual_mailbox_limit=0",
                                 "-o", "message_size_limit=0")
        session = self.lmtp(server)
        piece = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n" * 16384
        session.socket.settimeout(300)  # 100 MB on a disk that others use, too
        for recipients in (["bob@virtual.example"], ["bob@virtual.example", "mary@virtual.example"]):
            session.begin(*recipients)
            session.command("DATA")
            for _ in range(100):
                session.send(piece)
            session.send(b".\r\n")
            for _ in recipients:
                self.assertEqual(session.reply()[:3], "250")
        for pid in (server.pid, *lib.descendants(server.pid)):
            with open("/proc/%d/status" % pid, encoding="ascii") as f:
                text = f.read()
            resident = int(re.search(r"(?m)^VmHWM:\s*(\d+)", text).group(1))
            self.assertLess(resident, 16 * 1024, pid)
        names = os.listdir(self.mail + "/bob/new")
        self.assertEqual({os.path.getsize(self.mail + "/bob/new/" + n) // 1000000 for n in names},
                         {103})


class StuckTest(DeliverTest):
    """Processes that stand still and locks that are held cost nobody but whom they concern."""

    def begin_data(self, server, recipient):
        """A session whose message is whole, and whose reply is not read yet."""
        session = self.lmtp(server)
        self.assertEqual(session.begin(recipient)[0][:3], "250")
        self.assertEqual(session.command("DATA")[:3], "354")
        session.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        return session

    def writer_of(self, server, recipient):
        """The process that has just delivered to this recipient, the first of its account."""
        before = set(writers_of(server.pid))
        session = self.begin_data(server, recipient)
        self.assertEqual(session.reply()[:3], "250")
        session.close()
        writer, = set(writers_of(server.pid)) - before
        return writer

    def test_a_writer_that_stands_still_is_killed(self):
        server = self.start_lmtp("-o", "virtual_time_limit=1s")
        writer = self.writer_of(server, "bob@virtual.example")
        os.kill(writer, signal.SIGSTOP)
        session = self.begin_data(server, "bob@virtual.example")
        self.assertEqual(session.reply()[:9], "451 4.3.0")
        wait_until(lambda: writer not in writers_of(server.pid), 10, "the end of the writer")
        self.assertEqual(len(self.messages("bob")), 1)
        # The session goes on, and so does the mailbox.
        session.begin("bob@virtual.example")
        self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
        self.assertEqual(len(self.messages("bob")), 2)
        server.wait_log('why="delivery took too long"')
        counted = lib.counters_of(server)
        self.assertEqual((counted["overdue"], counted["workers_lost"], counted["retry"]), (1, 1, 1))

    def test_it_costs_other_mailboxes_nothing(self):
        """All writers that one mailbox may have stand still for ever: no limit of time helps."""
        self.table("virtual_mailbox_maps", {
            "bob@virtual.example": "bob/", "joe@virtual.example": "joe/",
            "mary@virtual.example": "mary.mbox"})
        server = self.start_lmtp("-o", "virtual_time_limit=0", "-o", "virtual_writer_limit=6",
                                 "-o", "virtual_destination_concurrency_limit=2")
        stuck = []
        for _ in range(2):
            writer = self.writer_of(server, "bob@virtual.example")
            os.kill(writer, signal.SIGSTOP)
            self.addCleanup(os.kill, writer, signal.SIGCONT)
            stuck.append(self.begin_data(server, "bob@virtual.example"))
        waiting = [self.begin_data(server, "bob@virtual.example") for _ in range(20)]
        session = self.lmtp(server)
        for recipient in ("joe@virtual.example", "mary@virtual.example") * 3:
            self.assertEqual(session.begin(recipient)[0][:3], "250")
            self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
        for writer in writers_of(server.pid):
            os.kill(writer, signal.SIGCONT)
        for each in stuck + waiting:
            self.assertEqual(each.reply()[:3], "250")

    @unittest.skipUnless(IS_ROOT, "needs accounts of their own")
    def test_one_account_has_at_most_half(self):
        """Many mailboxes of one account, all stuck: another account's mail is delivered."""
        names = ["box%d" % n for n in range(8)]
        self.table("virtual_mailbox_maps", {
            **{name + "@virtual.example": name + "/" for name in names},
            "joe@virtual.example": "other/joe/"})
        self.table("virtual_uid_maps", {"joe@virtual.example": UID + 1, "@virtual.example": UID})
        os.makedirs(self.mail + "/other")
        os.chown(self.mail + "/other", UID + 1, GID)
        os.chmod(self.mail, 0o755)
        server = self.start_lmtp("-o", "virtual_time_limit=0", "-o", "virtual_writer_limit=4")
        stuck = []
        for name in names:
            if len(stuck) < 2:
                writer = self.writer_of(server, name + "@virtual.example")
                os.kill(writer, signal.SIGSTOP)
                self.addCleanup(os.kill, writer, signal.SIGCONT)
            stuck.append(self.begin_data(server, name + "@virtual.example"))
        session = self.lmtp(server)
        for _ in range(3):
            self.assertEqual(session.begin("joe@virtual.example")[0][:3], "250")
            self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
        for writer in writers_of(server.pid):
            os.kill(writer, signal.SIGCONT)
        for each in stuck:
            self.assertEqual(each.reply()[:3], "250")

    def test_a_lock_that_is_held(self):
        server = self.start_lmtp("-o", "virtual_writer_limit=2", "-o", "deliver_lock_attempts=1000",
                                 "-o", "virtual_destination_concurrency_limit=1")
        with open(self.mail + "/mary.mbox", "wb") as held:
            os.chown(held.fileno(), UID, GID)
            fcntl.lockf(held, fcntl.LOCK_EX)
            locked = [self.begin_data(server, "mary@virtual.example") for _ in range(5)]
            if IS_ROOT:
                # Another account, because one has at most half of the two.
                self.table("virtual_uid_maps", {"mary@virtual.example": UID,
                                                "@virtual.example": UID + 1})
                os.chmod(self.mail, 0o777)
                server.send_signal(signal.SIGHUP)
                server.wait_log("reload=done")
                session = self.begin_data(server, "bob@virtual.example")
                self.assertEqual(session.reply()[:3], "250")
        for each in locked:
            self.assertEqual(each.reply()[:3], "250")
        self.assertEqual(len(parse_mbox(self.mbox())), 5)

    def test_the_time_of_one_that_waits_ends_too(self):
        server = self.start_lmtp("-o", "virtual_time_limit=1s", "-o", "virtual_writer_limit=2",
                                 "-o", "deliver_lock_attempts=1000",
                                 "-o", "virtual_destination_concurrency_limit=1")
        with open(self.mail + "/mary.mbox", "wb") as held:
            os.chown(held.fileno(), UID, GID)
            fcntl.lockf(held, fcntl.LOCK_EX)
            for session in [self.begin_data(server, "mary@virtual.example") for _ in range(5)]:
                self.assertEqual(session.reply()[:9], "451 4.3.0")
        self.assertEqual(self.begin_data(server, "mary@virtual.example").reply()[:3], "250")
        self.assertEqual(len(parse_mbox(self.mbox())), 1)

    def test_a_spawner_that_stands_still_is_not_waited_for(self):
        server = self.start_lmtp("-o", "virtual_time_limit=1s")
        writer = self.writer_of(server, "bob@virtual.example")
        whole = self.lmtp(server)
        whole.begin("bob@virtual.example")
        tables = spawners_of(server.pid)[1]
        stopped = (tables, *lib.children(tables))
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        # Who needs no answer of it is served, everybody else is told to try again.
        self.assertEqual(whole.data(b"x\r\n")[0][:3], "250")
        self.assertEqual(self.lmtp(server).begin("bob@virtual.example")[0][:9], "451 4.3.0")
        for process in stopped:
            try:
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                pass  # it was killed for being overdue
        self.assertEqual(self.lmtp(server).begin("bob@virtual.example")[0][:3], "250")


class CrowdTest(DeliverTest):
    CLIENTS = 10000

    def test_ten_thousand_idle_clients(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.CLIENTS + 500
        if hard < wanted:
            self.skipTest("only %d descriptors" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = self.start_lmtp()
        before = self.resident(server.pid)
        idle = []
        self.addCleanup(lambda: [each.close() for each in idle])
        for _ in range(self.CLIENTS):
            idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            idle[-1].connect(server.address)
        for each in idle:
            self.assertEqual(each.recv(100)[:3], b"220")
        per_client = (self.resident(server.pid) - before) / self.CLIENTS
        began, used = time.monotonic(), self.cpu(server.pid)
        time.sleep(2)
        busy = (self.cpu(server.pid) - used) / (time.monotonic() - began)
        print("%d idle clients: %.0f bytes of memory each, %.2f %% of a core" % (
            self.CLIENTS, per_client, busy * 100))
        self.assertLess(per_client, 4096)
        # A message leaves nothing behind that an idle client has not.
        for each in idle[:500]:
            each.sendall(b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob@virtual.example>\r\nRSET\r\n"
                         b"MAIL FROM:<>\r\nRCPT TO:<bob@virtual.example>\r\nBDAT 30000\r\n"
                         + b"x" * 30000 + b"RSET\r\n")
            said = b""
            while said.count(b"\r\n250 ") + said.startswith(b"250 ") < 8:
                said += each.recv(4096)
        more = (self.resident(server.pid) - before) / self.CLIENTS - per_client
        self.assertLess(more * self.CLIENTS / 500, 2048)
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        self.assertEqual(session.data(b"x\r\n")[0][:3], "250")

    @staticmethod
    def resident(pid):
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1)) * 1024

    @staticmethod
    def cpu(pid):
        """Seconds used so far."""
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@unittest.skipUnless(IS_ROOT, "Postfix starts as root only")
class PostfixTest(DeliverTest):
    """A Postfix of the test's own hands over its mail."""

    def start_postfix(self, transport, *services):
        postfix = peer("postfix")
        config, queue = self.at("postfix"), self.at("queue")
        for directory in (config, queue, self.at("data")):
            os.makedirs(directory)
        shutil.chown(self.at("data"), "postfix", "postfix")
        self.port = free_port(socket.SOCK_STREAM)
        write_atomically(os.path.join(config, "main.cf"), """
compatibility_level = 3.6
queue_directory = %(queue)s
data_directory = %(data)s
maillog_file = %(log)s
maillog_file_prefixes = %(dir)s
myhostname = mx.local.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_recipient_restrictions =
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = virtual.example
virtual_transport = %(transport)s
virtual_destination_recipient_limit = 50
virtual_destination_concurrency_failed_cohort_limit = 100
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME
  QMAILHOME=%(dir)s
export_environment = TZ MAIL_CONFIG LANG QMAILHOME
alias_maps =
alias_database =
""" % {"queue": queue, "data": self.at("data"), "log": self.at("maillog"), "dir": self.dir,
       "transport": transport})
        lines = ["127.0.0.1:%d inet n - n - - smtpd" % self.port,
                 "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                 "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite",
                 "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
                 "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
                 "proxymap unix - - n - - proxymap", "lmtp unix - - n - - lmtp",
                 "smtp unix - - n - - smtp", "error unix - - n - - error",
                 "retry unix - - n - - error", "discard unix - - n - - discard",
                 "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
                 "postlog unix-dgram n - n - 1 postlogd", *services]
        write_atomically(os.path.join(config, "master.cf"), "\n".join(lines) + "\n")
        self.addCleanup(self.run_program, [postfix, "-c", config, "stop"])
        code, out, err = self.run_program([postfix, "-c", config, "start"])
        self.assertEqual(code, 0, out + err)
        wait_until(lambda: accepts(self.port))

    def maillog(self):
        with open(self.at("maillog"), encoding="utf-8") as f:
            return f.read()

    def send(self, *recipients):
        """By SMTP; then waits until Postfix has said of each what became of it."""
        with Smtp(self.port) as smtp:
            smtp.command("HELO client.example")
            smtp.mail()
            for recipient in recipients:
                self.assertEqual(smtp.rcpt(recipient)[0], 250)
            reply = smtp.data("Subject: x\r\n\r\nhello\r\n..dot")
            self.assertEqual(reply[0], 250)
            queue_id = reply[1].split()[-1]
        pattern = r"%s: to=<(\S+?)>,.* dsn=(\S+?), status=(\w+)" % queue_id
        return wait_until(lambda: (found := dict((to, (dsn, status)) for to, dsn, status
                                                 in re.findall(pattern, self.maillog())))
                          if len(re.findall(pattern, self.maillog())) >= len(recipients) else None,
                          20, "Postfix's verdict on " + queue_id)

    def test_lmtp(self):
        self.table("virtual_mailbox_maps", {
            "bob@virtual.example": "bob/", "mary@virtual.example": "mary.mbox",
            "odd@virtual.example": "../odd"})
        server = self.start_lmtp()
        self.start_postfix("lmtp:unix:" + server.address)
        self.assertEqual(self.send("bob@virtual.example", "no@virtual.example",
                                   "mary@virtual.example", "odd@virtual.example"), {
            "bob@virtual.example": ("2.0.0", "sent"), "mary@virtual.example": ("2.0.0", "sent"),
            "no@virtual.example": ("5.1.1", "bounced"), "odd@virtual.example": ("4.3.5", "deferred")})
        self.assertEqual(len(self.messages("bob")), 1)
        self.assertTrue(self.messages("bob")[0].endswith(b"\nhello\n.dot\n"))
        self.assertEqual(len(parse_mbox(self.mbox())), 1)

    def test_pipe(self):
        self.table("virtual_mailbox_maps", {"bob@virtual.example": "bob/",
                                            "odd@virtual.example": "../odd"})
        # As the one account of a site of one uid: pipe(8) runs nothing as root.
        shutil.chown(self.mail, NOBODY, pwd.getpwnam(NOBODY).pw_gid)
        self.control("virtual_uid_maps", "static:%d" % pwd.getpwnam(NOBODY).pw_uid)
        self.control("virtual_gid_maps", "static:%d" % pwd.getpwnam(NOBODY).pw_gid)
        line = installed("and in master.cf:").replace("user=vmail", "user=" + NOBODY)
        self.start_postfix("qvirtual", line.replace("/usr/local/bin/qmail-virtual",
                                                    program("qmail-virtual")).rstrip())
        outcomes = {to: self.send(to)[to] for to in ("bob@virtual.example", "no@virtual.example",
                                                     "odd@virtual.example")}
        self.assertEqual(outcomes, {"bob@virtual.example": ("2.0.0", "sent"),
                                    "no@virtual.example": ("5.1.1", "bounced"),
                                    "odd@virtual.example": ("4.3.5", "deferred")})
        self.assertEqual(len(self.messages("bob")), 1)
        os.unlink(self.at("control/virtual_uid_maps"))
        self.assertEqual(self.send("bob@virtual.example")["bob@virtual.example"],
                         ("4.3.5", "deferred"))


class BadInputTest(DeliverTest):
    """What nobody should send, or put into a table: each has its answer, and one line in the log."""

    def test_line_ends_and_nuls_in_the_envelope(self):
        for sender, recipient in (("a\r\nb@x", "bob@virtual.example"), ("a\nb", "bob@virtual.example"),
                                  ("a\rb@x", "mary@virtual.example")):
            code, out = self.deliver("-f", sender, recipient)
            self.assertEqual((code, out[:5]), (100, "5.6.0"))
            self.assertEqual(len(self.log.splitlines()), 1)
        for recipient in ("bob\n@virtual.example", "bob@virtual.example\r"):
            code, out = self.deliver("-f", "a@x", recipient)
            self.assertEqual((code, out[:5]), (100, "5.1.1"))
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.command("LHLO c")
        session.send(b"MAIL FROM:<a\0b@x>\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bob\0@virtual.example>\r\n"
                     b"RCPT TO:<bob\n@virtual.example>\r\nRCPT TO:<bob\r@virtual.example>\r\nNOOP\r\n")
        # A bare LF ends a command, and what is behind it is one more, of no sense.
        replies = [session.reply() for _ in range(7)]
        self.assertEqual([r[:1] for r in replies], ["5", "2", "5", "5", "5", "5", "2"], replies)
        self.assertEqual((self.messages("bob"), os.path.exists(self.mail + "/mary.mbox")), ([], False))

    def test_bytes_beyond_ascii(self):
        name = "m\u00fcller@virtual.example"
        self.table("virtual_mailbox_maps", {name: "mueller/"})
        self.assertEqual(self.deliver("-f", "a@x", name), (0, ""))
        self.assertEqual(self.deliver("-f", "a@x", b"\xff\xfe@virtual.example")[0], 100)
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.command("LHLO c")
        session.command("MAIL FROM:<a@x>")
        self.assertEqual(session.command("RCPT TO:<%s>" % name)[:9], "553 5.6.7")
        session.command("RSET")
        self.assertEqual(session.command("MAIL FROM:<\u00e4@x> SMTPUTF8")[:3], "250")
        self.assertEqual(session.command("RCPT TO:<%s>" % name)[:3], "250")
        self.assertEqual(session.data(b"Subject: \xc3\xbc\r\n\r\n\xff\r\n")[0][:3], "250")
        self.assertTrue(any(m.startswith("Return-Path: <\u00e4@x>\n".encode()) and m.endswith(b"\xff\n")
                            for m in self.messages("mueller")))

    def test_addresses_without_end(self):
        long = "x" * 120000 + "@virtual.example"  # about what a command line can hold
        self.assertEqual(self.deliver("-f", "a@x", long)[1][:5], "5.1.1")
        self.assertEqual(self.deliver("-f", long, "bob@virtual.example")[0], 111)
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.begin("bob@virtual.example")
        for line in (b"RCPT TO:<" + b"x" * 1000000 + b"@virtual.example>", b"x" * 10000000):
            session.send(line + b"\r\n")
            self.assertEqual(session.reply()[:1], "5")
        self.assertEqual(session.data(b"x\r\n")[0][:3], "250")
        self.assertEqual(len(self.messages("bob")), 1)

    BODIES = {
        "bare LF": (b"a\nb\r\n", b"a\nb\n"),
        "bare CR": (b"a\rb\r\n", b"a\rb\n"),
        "NUL": (b"Subject: x\r\n\r\na\0b\r\n", b"Subject: x\n\na\0b\n"),
        "10 MB in one line": (b"y" * 10000000 + b"\r\n", b"y" * 10000000 + b"\n"),
        "no header": (b"\r\njust text\r\n", b"\njust text\n"),
        "nothing at all": (b"", b""),
        "LF dot LF": (b"a\n.\nb\r\n", b"a\n.\nb\n"),
        "LF dot CRLF": (b"a\n.\r\nb\r\n", b"a\n.\nb\n"),
        "CR dot CR": (b"a\r.\rb\r\n", b"a\r.\rb\n"),
        "CRLF dot LF": (b"a\r\n.\nb\r\n", None),
        "CRLF dot CR": (b"a\r\n.\rb\r\n", None),
        "a whole session": (b"a\n.\nMAIL FROM:<x@y>\nRCPT TO:<joe@virtual.example>\nDATA\nz\n.\n\r\n",
                            None),
    }

    def test_bodies_over_lmtp(self):
        server = self.start_lmtp()
        session = self.lmtp(server)
        for name, (sent, wanted) in self.BODIES.items():
            with self.subTest(name):
                shutil.rmtree(self.mail + "/bob", ignore_errors=True)
                session.begin("bob@virtual.example", "mary@virtual.example")
                self.assertEqual([r[:3] for r in session.data(sent, 2)], ["250"] * 2)
                session.begin("bob@virtual.example")
                self.assertEqual(session.data(sent)[0][:3], "250")
                self.assertEqual(session.command("NOOP")[:3], "250")  # nothing was left over
                first, second = self.messages("bob")
                self.assertEqual(first, second)
                if wanted is not None:
                    self.assertTrue(first.endswith(b"Delivered-To: bob@virtual.example\n" + wanted))
        self.assertEqual(len(parse_mbox(self.mbox())), len(self.BODIES))
        self.assertEqual(self.messages("joe"), [])

    def test_bodies_from_a_pipe(self):
        for name, body in (("no final newline", b"Subject: x\n\nend"), ("nothing", b""),
                           ("NUL", b"\0\n"), ("CR", b"a\rb\r\n"), ("long", b"y" * 10000000)):
            with self.subTest(name):
                shutil.rmtree(self.mail + "/bob", ignore_errors=True)
                self.assertEqual(self.deliver("-f", "a@x", "bob@virtual.example", message=body)[0], 0)
                self.assertTrue(self.messages("bob")[0].endswith(
                    b"example\n" + body + (b"" if body.endswith(b"\n") or not body else b"\n")))

    def test_a_gigabyte(self):
        server = self.start_lmtp()
        session = self.lmtp(server)
        session.socket.settimeout(300)
        session.command("LHLO c")
        self.assertEqual(session.command("MAIL FROM:<a@x> SIZE=1073741824")[:9], "552 5.3.4")
        session.begin("bob@virtual.example")
        session.command("DATA")
        piece = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n" * 16384
        for _ in range(1024):
            session.send(piece)
        session.send(b".\r\n")
        self.assertEqual(session.reply()[:9], "552 5.3.4")
        self.assertEqual((self.messages("bob"), os.listdir(self.mail)), ([], []))
        with open("/proc/%d/status" % server.pid, encoding="ascii") as f:
            self.assertLess(int(re.search(r"(?m)^VmHWM:\s*(\d+)", f.read()).group(1)), 16 * 1024)

    def test_what_tables_must_not_say(self):
        good = {"virtual_uid_maps": str(UID), "virtual_gid_maps": str(GID),
                "virtual_mailbox_maps": "bob/"}
        for name, value in (("virtual_mailbox_maps", "../bob/"), ("virtual_mailbox_maps", "a/../../b"),
                            ("virtual_mailbox_maps", ".."), ("virtual_uid_maps", "0"),
                            ("virtual_gid_maps", "0"), ("virtual_uid_maps", "12abc"),
                            ("virtual_gid_maps", "12abc"), ("virtual_uid_maps", "99"),
                            ("virtual_uid_maps", "-1"), ("virtual_gid_maps", "4294967295"),
                            ("virtual_uid_maps", "99999999999999999999")):
            with self.subTest(name + "=" + value):
                for table, sound in good.items():
                    self.table(table, {"bob@virtual.example": value if table == name else sound})
                code, out = self.deliver("-f", "a@x", "bob@virtual.example")
                self.assertEqual((code, out[:5]), (111, "4.3.5"))
                self.assertIn(name, self.log)
        # An absolute path is one below the base.
        for table, sound in good.items():
            self.table(table, {"bob@virtual.example": sound})
        self.table("virtual_mailbox_maps", {"bob@virtual.example": "/etc/bob/"})
        self.assertEqual(self.deliver("-f", "a@x", "bob@virtual.example")[0], 0)
        self.assertEqual(len(self.messages("etc/bob")), 1)
        self.assertFalse(os.path.exists("/etc/bob"))

    def test_mailboxes_that_are_something_else(self):
        victim = self.at("victim")
        write_atomically(victim, "untouched\n")
        os.chown(victim, UID, GID)
        makers = {"link": lambda p: os.symlink(victim, p), "directory": os.mkdir,
                  "fifo": os.mkfifo, "second": lambda p: os.link(victim, p)}
        if IS_ROOT:
            makers["device"] = lambda p: os.mknod(p, 0o600 | 0o020000, os.makedev(1, 3))
            makers["anothers"] = lambda p: write_atomically(p, "")
        for name, make in makers.items():
            with self.subTest(name):
                path = os.path.join(self.mail, name)
                make(path)
                if name not in ("anothers", "link"):
                    os.chown(path, UID, GID)
                self.table("virtual_mailbox_maps", {"bob@virtual.example": name})
                code, out = self.deliver("-f", "a@x", "bob@virtual.example")
                self.assertEqual((code, out[:3]), (111, "4.3"))
                self.assertEqual(self.log.count("deliver status=retry"), 1)
                self.assertFalse(os.path.exists(path + ".lock"))
        for name in ("file", "pipe"):
            with self.subTest("maildir " + name):
                path = os.path.join(self.mail, "not-" + name)
                (os.mkfifo if name == "pipe" else lambda p: write_atomically(p, ""))(path)
                os.chown(path, UID, GID)
                self.table("virtual_mailbox_maps", {"bob@virtual.example": "not-" + name + "/"})
                self.assertEqual(self.deliver("-f", "a@x", "bob@virtual.example")[0], 111)
        with open(victim, encoding="ascii") as f:
            self.assertEqual(f.read(), "untouched\n")

    def test_locks_that_are_held_for_ever(self):
        patient = ("-o", "deliver_lock_attempts=2", "-f", "a@x", "mary@virtual.example")
        lock = self.mail + "/mary.mbox.lock"
        write_atomically(lock, "1\n")
        code, out = self.deliver(*patient)
        self.assertEqual((code, out[:5]), (111, "4.2.0"))
        self.assertEqual(self.log.count("\n"), 1)
        os.unlink(lock)
        with open(self.mail + "/mary.mbox", "wb") as held:
            os.chown(held.fileno(), UID, GID)
            fcntl.lockf(held, fcntl.LOCK_EX)
            self.assertEqual(self.deliver(*patient)[1][:5], "4.2.0")
            self.assertEqual(self.deliver("-o", "virtual_mailbox_lock=fcntl", *patient)[1][:5], "4.2.0")
        self.assertEqual(os.path.getsize(self.mail + "/mary.mbox"), 0)
        self.assertEqual(self.deliver(*patient)[0], 0)
        self.assertEqual(os.listdir(self.mail), ["mary.mbox"])

    def test_two_hundred_at_once_to_one_mbox(self):
        self.control("deliver_lock_attempts", "60")
        commands = []
        for number in range(200):
            commands.append(subprocess.Popen(
                [program("qmail-virtual"), "-f", "a@x", "mary@virtual.example"], env=self.env,
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for number, command in enumerate(commands):
            command.stdin.write(b"Subject: %d\n\n" % number + b"text\n" * 200 + b"last line\n")
            command.stdin.close()
        self.assertEqual([command.wait() for command in commands], [0] * 200)
        messages = parse_mbox(self.mbox())
        self.assertTrue(all(m.endswith(b"\ntext\nlast line\n\n") for m in messages))
        numbers = sorted(int(re.search(rb"(?m)^Subject: (\d+)$", m).group(1)) for m in messages)
        self.assertEqual(numbers, list(range(200)))


def installed(mark):
    """The indented block of INSTALL that follows the line that ends with this mark."""
    with open(os.path.join(lib.TOP, "INSTALL"), encoding="ascii") as f:
        text = f.read()
    found = re.search(re.escape(mark) + r"\n\n((?:      .*\n)+)", text)
    return re.sub(r"(?m)^      ", "", found.group(1))


@unittest.skipUnless(IS_ROOT, "Exim starts as root only")
class EximTest(DeliverTest):
    """The transport of INSTALL in an Exim of the test's own."""

    def test_lmtp(self):
        self.table("virtual_mailbox_maps", {
            "bob@virtual.example": "bob/", "mary@virtual.example": "mary.mbox",
            "odd@virtual.example": "../odd"})
        server = self.start_lmtp()
        lines = installed("a transport of Exim:").replace("/var/qmail/lmtp.sock", server.address)
        name, transport = lines.split("\n", 1)
        self.assertEqual(name, "qmail_virtual:")
        exim = peers.Exim(self, "acl_rcpt:\n  accept\nacl_predata:\n  accept\n",
                          transport=transport)
        with Smtp(exim.port) as smtp:
            smtp.command("EHLO client.example")
            smtp.mail()
            for name in ("bob", "mary", "no", "odd"):
                self.assertEqual(smtp.rcpt(name + "@virtual.example")[0], 250)
            self.assertEqual(smtp.data("Subject: x\r\n\r\nhello\r\n..dot")[0], 250)
        exim.run_queue()
        log = exim.log()
        self.assertRegex(log, r"[=-]> bob <bob@virtual\.example> .*250 2\.0\.0")
        self.assertRegex(log, r"[=-]> mary <mary@virtual\.example> .*250 2\.0\.0")
        self.assertRegex(log, r"\*\* no@virtual\.example .*550 5\.1\.1")
        self.assertRegex(log, r"== odd@virtual\.example .*451 4\.3\.5")
        self.assertEqual(len(self.messages("bob")), 1)
        self.assertTrue(self.messages("bob")[0].endswith(b"\nhello\n.dot\n"))
        self.assertEqual(len(parse_mbox(self.mbox())), 1)


class QmailTest(DeliverTest):
    """A .qmail-default line, run as qmail-local runs it; tcpserver with --lmtp."""

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_a_qmail_default_of_the_account_that_has_all_mail(self):
        line = installed("virtual domain:").strip()
        self.assertEqual(line, "|/usr/local/bin/qmail-virtual")
        done = subprocess.run(
            ["setpriv", "--reuid=%d" % UID, "--regid=%d" % GID, "--clear-groups", "/bin/sh", "-c",
             line[1:].replace("/usr/local/bin/qmail-virtual", program("qmail-virtual"))],
            input=MESSAGE, check=False, stderr=subprocess.DEVNULL, cwd=self.mail,
            env={**self.env, "SENDER": "a@remote.example", "RECIPIENT": "virt-bob@virtual.example",
                 "USER": "vmail", "HOME": self.mail, "LOCAL": "virt-bob", "HOST": "virtual.example",
                 "EXT": "bob", "DEFAULT": "bob", "DTLINE": "Delivered-To: virt-bob@virtual.example\n",
                 "RPLINE": "Return-Path: <a@remote.example>\n", "UFLINE": "From a@remote.example\n"})
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(self.messages("bob")), 1)

    def test_tcpserver(self):
        port = free_port(socket.SOCK_STREAM)
        self.start([peer("tcpserver"), "-HRl0", "127.0.0.1", str(port), program("qmail-virtual"),
                    "--lmtp"], self.env, lambda: accepts(port), name="tcpserver")
        session = self.lmtp(("127.0.0.1", port))
        self.assertEqual([r[:3] for r in session.begin("bob@virtual.example",
                                                       "mary@virtual.example")], ["250"] * 2)
        self.assertEqual([r[:3] for r in session.data(b"Subject: x\r\n\r\nx\r\n", 2)],
                         ["250"] * 2)


class CrashTest(DeliverTest):
    """Killed at any moment: a mailbox has whole messages only, and every one reported."""

    def check_maildir(self, name, reported):
        messages = self.messages(name)
        for message in messages:
            self.assertTrue(message.endswith(b"\nlast line\n"), message[-40:])
        numbers = [int(re.search(rb"(?m)^Subject: (\d+)$", m).group(1)) for m in messages]
        self.assertLessEqual(set(reported), set(numbers))

    def body(self, number):
        return b"Subject: %d\n\n" % number + b"some text\n" * 3000 + b"last line\n"

    def storm(self, recipient, seconds=15, rounds=150):
        """Deliveries, each killed with all its children at a random moment; those reported."""
        reported, killed = [], 0
        end = time.monotonic() + seconds
        for number in range(rounds):
            if time.monotonic() > end:
                break
            write_atomically(self.at("message"), self.body(number))
            with open(self.at("message"), "rb") as message:
                process = subprocess.Popen(
                    [program("qmail-virtual"), "-f", "a@x", recipient], stdin=message,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env,
                    start_new_session=True)
            try:
                # From before it has begun until after it has ended.
                code = process.wait((number % 50) / 4000.0)
            except subprocess.TimeoutExpired:
                killed += 1
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            if code == 0:
                reported.append(number)
        self.assertGreater(number, 20)
        self.assertGreater(killed, 5)
        return reported

    def test_maildir(self):
        self.check_maildir("bob", self.storm("bob@virtual.example"))

    def test_mbox(self):
        self.check_mbox()

    def test_mbox_without_a_dotlock(self):
        self.control("virtual_mailbox_lock", "fcntl")
        self.check_mbox()

    def check_mbox(self):
        reported = self.storm("mary@virtual.example")
        # The last one may be torn: the next delivery cuts it.
        self.assertEqual(self.deliver("-f", "a@x", "mary@virtual.example",
                                      message=self.body(9999))[0], 0)
        messages = parse_mbox(self.mbox())
        numbers = []
        for message in messages:
            self.assertTrue(message.endswith(b"\nlast line\n\n"), message[-60:])
            numbers.append(int(re.search(rb"(?m)^Subject: (\d+)$", message).group(1)))
        self.assertEqual(numbers, sorted(numbers))
        self.assertLessEqual(set(reported + [9999]), set(numbers))
        self.assertEqual([n for n in os.listdir(self.mail) if n in (
            "mary.mbox.lock", "mary.mbox.record")], [])

    def test_lmtp_writers_killed_while_serving(self):
        server = self.start_lmtp()
        ending = threading.Event()

        def kill():
            while not ending.wait(0.013):
                for writer in writers_of(server.pid):
                    try:
                        os.kill(writer, signal.SIGKILL)
                    except ProcessLookupError:
                        pass

        killer = threading.Thread(target=kill)
        killer.start()
        reported = []
        try:
            session = self.lmtp(server)
            for number in range(300):
                session.begin("bob@virtual.example")
                replies = session.data(self.body(number).replace(b"\n", b"\r\n"))
                self.assertIn(replies[0][:3], ("250", "451"))
                if replies[0].startswith("250"):
                    reported.append(number)
        finally:
            ending.set()
            killer.join()
        self.check_maildir("bob", reported)


@unittest.skipUnless(IS_ROOT, "needs root to mount")
class FullDiskTest(DeliverTest):
    def setUp(self):
        super().setUp()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=0700,uid=%d,gid=%d" % (
            UID, GID), "tmpfs", self.mail], check=False, stderr=subprocess.PIPE)
        if done.returncode != 0:
            self.skipTest("cannot mount: %r" % done.stderr)
        self.addCleanup(subprocess.run, ["umount", "-l", self.mail], check=False)

    def test_fills_and_empties(self):
        body = b"Subject: x\n\n" + b"some text\n" * 3000 + b"last line\n"
        outcomes = {"bob@virtual.example": [], "mary@virtual.example": []}
        for to, codes in outcomes.items():
            for _ in range(30):
                code, out = self.deliver("-f", "a@x", to, message=body)
                codes.append(code)
                if code != 0:
                    self.assertEqual((code, out[:5]), (111, "4.3.1"), out)
            if to.startswith("bob"):
                self.assertIn(111, codes)
                self.assertEqual(len(self.messages("bob")), codes.count(0))
                self.assertEqual(os.listdir(self.mail + "/bob/tmp"), [])
                # Half of the room for the other.
                for name in os.listdir(self.mail + "/bob/new")[:6]:
                    os.unlink(os.path.join(self.mail, "bob/new", name))
        codes = outcomes["mary@virtual.example"]
        self.assertIn(111, codes)
        self.assertIn(0, codes)
        messages = parse_mbox(self.mbox())
        self.assertEqual(len(messages), codes.count(0))
        self.assertTrue(all(m.endswith(b"\nlast line\n\n") for m in messages))
        shutil.rmtree(self.mail + "/bob")
        self.assertEqual(self.deliver("-f", "a@x", "mary@virtual.example", message=body)[0], 0)


    def test_a_message_on_its_way_into_a_maildir(self):
        server = self.start_lmtp("-o", "message_size_limit=0")
        session = self.lmtp(server)
        for size, wanted in ((1000000, "452 4.3.1"), (100000, "250 2.0.0"), (350000, "452 4.3.1")):
            session.begin("bob@virtual.example")
            reply = session.data(b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * (size // 18))
            self.assertEqual(reply[0][:9], wanted)
            self.assertEqual(os.listdir(self.mail + "/bob/tmp"), [])
        self.assertEqual(len(self.messages("bob")), 1)


class SizeLimitTest(DeliverTest):
    """What the system allows for one file."""

    COMMAND = "ulimit -f 100; exec %s -f a@x $0"

    def run_limited(self, to, **options):
        return subprocess.run(["sh", "-c", self.COMMAND % program("qmail-virtual"), to], check=False,
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              **options)

    def test_is_what_a_full_mailbox_is(self):
        for to in ("bob@virtual.example", "mary@virtual.example"):
            for size, wanted in ((20000, (0, b"")), (400000, (100, b"5.2.2"))):
                write_atomically(self.at("message"), b"\n" + b"x" * size + b"\n")
                with open(self.at("message"), "rb") as message:
                    done = self.run_limited(to, stdin=message)
                self.assertEqual((done.returncode, done.stdout[:5]), wanted)
        self.assertEqual((len(self.messages("bob")), len(parse_mbox(self.mbox()))), (1, 1))
        self.assertEqual(os.listdir(self.mail + "/bob/tmp"), [])

    def test_of_the_spool_is_not_the_recipients(self):
        done = self.run_limited("bob@virtual.example", input=b"x" * 400000)
        self.assertEqual((done.returncode, done.stdout[:5]), (111, b"4.3.1"))


class QuotaTest(DeliverTest):
    def test_bytes_and_count(self):
        self.table("virtual_mailbox_limit_maps", {"bob@virtual.example": "1000000S,3C",
                                                  "joe@virtual.example": "400S"})
        for n in range(5):
            code, out = self.deliver("-f", "a@x", "bob@virtual.example")
            self.assertEqual((code, out[:5]), (0, "") if n < 3 else (100, "5.2.2"))
        with open(self.mail + "/bob/maildirsize", encoding="ascii") as f:
            lines = f.read().splitlines()
        self.assertEqual(lines[0], "1000000S,3C")
        self.assertEqual(sum(int(line.split()[1]) for line in lines[1:]), 3)
        for name in os.listdir(self.mail + "/bob/new"):
            size = int(name.split(",S=")[1])
            self.assertEqual(size, os.path.getsize(self.mail + "/bob/new/" + name))
        codes = [self.deliver("-f", "a@x", "joe@virtual.example")[0] for _ in range(5)]
        self.assertEqual(codes, [0, 0, 100, 100, 100])
        # A reader that deletes without telling: room is found by counting, after 15 minutes.
        shutil.rmtree(self.mail + "/joe/new")
        self.assertEqual(self.deliver("-f", "a@x", "joe@virtual.example")[0], 100)
        past = time.time() - 16 * 60
        os.utime(self.mail + "/joe/maildirsize", (past, past))
        self.assertEqual(self.deliver("-f", "a@x", "joe@virtual.example")[0], 0)


    def test_a_full_mailbox_is_refused_at_rcpt(self):
        self.table("virtual_mailbox_limit_maps", {"bob@virtual.example": "1000000S,2C",
                                                  "joe@virtual.example": "5000S"})
        server = self.start_lmtp("-o", "virtual_mailbox_limit=3000")
        session = self.lmtp(server)
        to = ["bob@virtual.example", "joe@virtual.example", "mary@virtual.example"]
        body = b"Subject: x\r\n\r\n" + (b"x" * 78 + b"\r\n") * 15
        for _ in range(2):
            self.assertEqual([r[:3] for r in session.begin(*to)], ["250"] * 3)
            session.data(body, 3)
        # bob has two messages, mary's mbox is nearly full; joe's room depends on what comes.
        self.assertEqual([r[:9] for r in session.begin(*to)],
                         ["552 5.2.2", "250 2.1.5", "250 2.1.5"])
        self.assertEqual([r[:9] for r in session.data(body, 2)], ["250 2.0.0", "552 5.2.2"])
        session.command("LHLO c")
        self.assertEqual(session.command("MAIL FROM:<a@x> SIZE=4000")[:3], "250")
        self.assertEqual([session.command("RCPT TO:<%s>" % r)[:9] for r in to],
                         ["552 5.2.2"] * 3)
        self.assertEqual(session.command("DATA")[:3], "503")
        self.assertIn("code=5.2.2 rcpt=bob@virtual.example", server.log())
        # Nobody waits for that answer where all writers are busy.
        busy = self.start_lmtp("-o", "virtual_writer_limit=1",
                               listen="unix:" + self.at("busy.sock"))
        with open(self.mail + "/mary.mbox", "ab") as held:
            fcntl.lockf(held, fcntl.LOCK_EX)
            waits, asks = self.lmtp(busy), self.lmtp(busy)
            waits.begin("mary@virtual.example")
            waits.command("DATA")
            waits.send(b"x\r\n.\r\n")
            time.sleep(0.3)
            self.assertEqual(asks.begin("bob@virtual.example")[0][:3], "250")
        self.assertEqual(waits.reply()[:1], "2")
        self.assertEqual(asks.data(b"x\r\n")[0][:9], "552 5.2.2")
        # A mailbox that is not there yet has room.
        self.table("virtual_mailbox_limit_maps", {"joe@virtual.example": "5000S"})
        shutil.rmtree(self.mail + "/joe")
        self.assertEqual(session.begin("joe@virtual.example")[0][:3], "250")


if __name__ == "__main__":
    unittest.main()
