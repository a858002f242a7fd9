#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""The commands of INSTALL, as they stand there: accounts, starting under daemontools, restarting and
removing.  They run as root with directories of the test's own in the place of /etc, /usr/local and /var,
in namespaces of their own, so that nothing of this machine is touched."""

import os
import re
import subprocess
import sys
import unittest

import lib

LOOPBACK_UP = """
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
"""
# What INSTALL leaves to the reader stands between its commands: a directory that svscan watches, a
# table that has postmaster@example.org, an SMTP server's rules.  Whatever happens, all processes
# end with this shell, the first one of its namespace.
BEGIN = """
set -eu
cd /
export PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
"$2" -c "$3"
for directory in /etc /usr/local /var; do mount --bind "$1$directory" $directory; done
"""
PREPARED = """
mkdir /etc/service
echo 'example.org:inline:{postmaster@example.org=here}' >/var/qmail/control/verifymaps
echo example.org >/var/qmail/control/me
cp /usr/local/share/qmail-verify/service/smtpd/tcp.smtp /etc/
svscan /etc/service 2>/var/log.svscan &
"""
ANSWERED = """
tries=0
until rcptcheck -q -s :,timeout=1 postmaster@example.org; do
  tries=$((tries + 1)); test $tries -lt 60; sleep 0.2
done
"""
LOGGED = """
tries=0
until grep -q postmaster@example.org log/main/current; do
  tries=$((tries + 1)); test $tries -lt 60; sleep 0.2
done
"""
STOPPED = """
tries=0
while ls -l /proc/[0-9]*/exe 2>/dev/null | grep -Eq '/(qmail-verify|supervise|multilog)$'; do
  tries=$((tries + 1)); test $tries -lt 150; sleep 0.2
done
"""


def section(number):
    """The blocks of commands in a section of INSTALL."""
    with open(os.path.join(lib.TOP, "INSTALL"), encoding="ascii") as f:
        text = f.read()
    body = re.search(r"^%d\. (.*?)(?=^\d+\. |\Z)" % number, text, re.M | re.S).group(1)
    return [re.sub(r"^ {6}", "", block, flags=re.M)
            for block in re.findall(r"(?:^ {6}.*\n)+", body, re.M)]


def block(number, *words):
    """The one block of the section in which all of these words are."""
    found = [b for b in section(number) if all(word in b for word in words)]
    assert len(found) == 1, "INSTALL, section %d: %r is in %d blocks" % (number, words, len(found))
    return found[0]


@unittest.skipUnless(lib.IS_ROOT, "needs root to show programs another /etc")
class Install(lib.E2eTest):
    def setUp(self):
        super().setUp()
        for name in ("svscan", "svc", "envdir", "setuidgid", "multilog", "tcprules", "useradd"):
            lib.peer(name)
        self.words = [lib.peer("unshare"), "-mnp", "--propagation", "private", "--fork",
                      "--kill-child", "--mount-proc"]
        if subprocess.run([*self.words, "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("no namespaces here")
        subprocess.run(["cp", "-a", "/etc", self.at("etc")], check=True)
        for name in ("service", "qmail-verify"):
            subprocess.run(["rm", "-rf", self.at("etc", name)], check=True)
        # A host without qmail's accounts.
        for name in ("passwd", "shadow", "group", "gshadow"):
            self.remove_lines(self.at("etc", name), "qmaild:", "qmaill:", "nofiles:")
        done = subprocess.run(
            ["sh", "tools/install", "tools/manifest"], cwd=lib.TOP, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, DESTDIR=self.dir, PREFIX="/usr/local", QMAILHOME="/var/qmail",
                     MANDIR="/usr/local/share/man"))
        self.assertEqual(done.returncode, 0, done.stdout)

    def remove_lines(self, path, *beginnings):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                lines = [line for line in f if not line.startswith(beginnings)]
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(lines)

    def test_as_copied(self):
        removal = block(8, "cd /usr/local")
        stop, remove = block(8, "svc -dx").split("\n", 1)
        script = "".join((
            BEGIN, block(2, "useradd"), PREPARED,
            block(5, "ln -s"), ANSWERED, LOGGED,
            block(5, "rcptcheck"), block(5, "svc -t"), ANSWERED, block(5, "setuidgid"),
            block(5, "tcprules"), block(7, "svc -t").replace("make install", ":"), ANSWERED,
            stop + "\n", STOPPED, remove, "! rcptcheck -q -s :,timeout=1 postmaster@example.org\n",
            removal))
        code, out, err = self.run_program([*self.words, "sh", "-c", script, "sh", self.dir,
                                           sys.executable, LOOPBACK_UP], seconds=120)
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"(?m)^postmaster@example\.org +valid +table ")
        self.assertTrue(os.path.exists(self.at("etc", "tcp.smtp.cdb")))
        left = [os.path.join(d, f) for d, _, files in os.walk(self.at("usr")) for f in files]
        self.assertEqual(left, [])
        self.assertFalse(os.path.lexists(self.at("etc", "service", "qmail-verify")))
        self.assertFalse(os.path.exists(self.at("etc", "qmail-verify")))


if __name__ == "__main__":
    unittest.main()
