"""Mistakes in how an MTA asks policyd, found in what real configurations say."""

from __future__ import annotations

import os
import socket
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from parts.postfix import Postfix
from parts.programs import environment, program

from policyd.cli.doctor import command

ATTACHED = "smtpd_milters = unix:{sock}"
UNJUDGED = "mail is accepted without being judged"


@pytest.fixture(scope="module")
def listening():
    """Who listens where policyd would, open to everybody."""
    with tempfile.TemporaryDirectory(prefix="policyd-doctor-") as directory, socket.socket(socket.AF_UNIX) as listener:
        Path(directory).chmod(0o755)
        path = Path(directory, "policyd.sock")
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        yield path


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    """What the doctor says, and its exit status, of these lines of main.cf, of a master.cf and of a policy."""
    postconf = program("postconf")
    monkeypatch.setenv("PATH", f"{postconf.parent}:{os.environ['PATH']}")
    for name, value in environment(postconf).items():
        monkeypatch.setenv(name, value)

    def ask(main, policy, master=""):
        (tmp_path / "policy.conf").write_text(policy)
        (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\nmail_owner = daemon\n{main}\n")
        (tmp_path / "master.cf").write_text(f"smtp inet n - n - - smtpd\n{master}")
        os.utime(tmp_path / "main.cf", (0, 0))  # postconf waits until it is some seconds old
        arguments = ["-c", str(tmp_path / "policy.conf"), "--postfix", "--mta-config", str(tmp_path)]
        done = CliRunner().invoke(command, arguments)
        return done.output, done.exit_code

    return ask


@pytest.mark.parametrize(
    "main, policy, master, finding, status",
    [
        (ATTACHED, "", "", "ok: smtp/inet (smtpd): policyd is attached", 0),
        (ATTACHED, "", "", "ok: smtp/inet (smtpd): user daemon reaches policyd", 0),
        ("", "", "", "PROBLEM: smtp/inet (smtpd): policyd is not attached", 1),
        ("", "", "", "    smtpd_milters = unix:{sock}", 1),
        ("smtpd_milters = inet:127.0.0.1:9", "", "", "the milters are: 127.0.0.1:9", 1),
        ("smtpd_milters = inet:127.0.0.1:99999", "", "", "the milters are: 127.0.0.1:99999", 1),
        (ATTACHED + "\nno_such_parameter = 1", "", "", "policyd is attached", 0),  # postconf warns
        ("smtpd_milters = unix:/nowhere/sock", "milter_socket = unix:/nowhere/sock", "",
         "    adduser daemon policyd, and restart the MTA; or MILTER_SOCKET = inet:8891@127.0.0.1", 1),
        (ATTACHED, "", "smtpd inet n - n - 1 postscreen\n", "policyd is attached", 0),  # which asks no milter
        (ATTACHED + "\nmail_owner = nobody-at-all", "", "", "was not tried: \"getpwnam(): name not found", 0),
        (ATTACHED + "\nsmtpd_milters = inet:127.0.0.1:9", "milter_socket = inet:9@0.0.0.0", "",
         "user daemon cannot reach 127.0.0.1:9: nobody listens there", 1),
        ("", "milter_socket = inet:8891@0.0.0.0", "", "    smtpd_milters = inet:127.0.0.1:8891", 1),
        ("", "milter_socket = inet:8891@mx.test", "", "    smtpd_milters = inet:mx.test:8891", 1),
        (ATTACHED, "", "submission inet n - n - - smtpd -o smtpd_milters=\n",
         "PROBLEM: submission/inet (smtpd): policyd is not attached", 1),
        ("smtpd_milters = inet:127.0.0.1:9, unix:{sock}", "", "", "milters before policyd", 0),
        (ATTACHED + "\nmilter_default_action = accept", "", "", UNJUDGED, 1),
        ("smtpd_milters = {{ unix:{sock}, default_action=accept }}", "", "", UNJUDGED, 1),
        (ATTACHED + "\nmilter_protocol = 2", "", "", "milter protocol 2 is too old", 1),
        (ATTACHED + "\nmilter_command_timeout = 20", "", "", "it waits 20s for a milter", 1),
        (ATTACHED, "phase_timeout = 6m", "", "    milter_content_timeout = 365s", 1),
        (ATTACHED + "\nqueue_directory = {run}", "", "inner inet n - y - - smtpd\n",
         "inner/inet (smtpd): policyd is not attached", 1),
        ("smtpd_milters = unix:policyd.sock\nqueue_directory = {run}", "", "inner inet n - y - - smtpd\n",
         "ok: inner/inet (smtpd): user daemon in the chroot {run} reaches policyd", 0),
        (ATTACHED + "\nsmtpd_upstream_proxy_protocol = haproxy", "", "", "hosts_proxy is not set", 1),
        (ATTACHED, "hosts_proxy = 192.0.2.1", "", "nor a gateway of policyd's reads PROXY", 1),
        (ATTACHED + "\nsmtpd_upstream_proxy_protocol = haproxy", "hosts_proxy = 192.0.2.1", "",
         "policyd is attached", 0),
        (ATTACHED, "dns_servers = 127.0.0.1", "", "127.0.0.1, on this host", 0),
        (ATTACHED, "dns_servers = 8.8.8.8", "", "DNS lists do not answer resolvers", 1),
        (ATTACHED, "dns_servers = 192.0.2.53", "", "warning: DNS is asked of 192.0.2.53", 0),
    ],
)  # fmt: skip
def test_postfix(main, policy, master, finding, status, doctor, listening):
    names = {"sock": listening, "run": listening.parent}
    usual = {"milter_socket": f"unix:{listening}", "dns_servers": "127.0.0.1"}
    own = "".join(f"{name} = {value}\n" for name, value in usual.items() if name not in policy)
    output, exit_code = doctor(main.format_map(names), own + policy, master)
    assert finding.format_map(names) in output
    assert exit_code == status


@pytest.mark.parametrize(
    "mode, owner, reason",
    [
        (0o600, "root", "permission denied"),
        (0o666, "root", ""),
        (0o660, "daemon", ""),
    ],
)
def test_the_socket_is_tried_as_the_user_of_the_mta(mode, owner, reason, doctor, listening):
    os.chmod(listening, mode)
    os.chown(listening, 0 if owner == "root" else 1, 0)
    output, _ = doctor(f"smtpd_milters = unix:{listening}", f"milter_socket = unix:{listening}\n")
    os.chmod(listening, 0o666)
    if reason:
        assert f"PROBLEM: smtp/inet (smtpd): user daemon cannot reach {listening}: {reason}" in output
    else:
        assert "user daemon reaches policyd" in output


@pytest.mark.parametrize(
    "gone, reason", [("unix:{run}/gone.sock", "there is no such socket"), ("inet:9@127.0.0.1", "nobody listens there")]
)
def test_policyd_is_not_running(gone, reason, doctor, listening):
    own = gone.format(run=listening.parent)
    theirs = own.replace("inet:9@127.0.0.1", "inet:127.0.0.1:9")
    output, status = doctor(f"smtpd_milters = {theirs}", f"milter_socket = {own}\n")
    assert f"{reason}" in output
    assert "is policyd running?" in output
    assert status == 1


SENDMAIL_CF = """\
V10/Debian
O Timeout.initial=5m
O DontBlameSendmail={trusting}
O InputMailFilters={filters}
Xpolicyd, S={place}, {equates}
Xother, S=inet:9@127.0.0.1, F=T
"""


@pytest.mark.parametrize(
    "filters, equates, finding, status",
    [
        ("policyd", "F=T, T=S:4m;R:4m;E:10m", "ok: the daemon: policyd is attached", 0),
        ("policyd", "F=T, T=S:4m;R:4m;E:10m", "ok: the daemon: user root reaches policyd", 0),
        ("", "F=T, T=S:4m;R:4m;E:10m", "policyd is not attached", 1),
        ("", "F=T", "    INPUT_MAIL_FILTER(`policyd', `S=unix:{sock}, F=T", 1),
        ("other, policyd", "F=T, T=S:4m;R:4m;E:10m", "warning: the daemon: milters before policyd", 0),
        ("policyd", "T=S:4m;R:4m;E:10m", UNJUDGED, 1),
        ("policyd", "F=T", "it waits 10s for a milter", 1),
        ("policyd", "F=T", "    T=S:30s;R:30s in its INPUT_MAIL_FILTER", 1),
    ],
)
def test_sendmail(filters, equates, finding, status, listening, tmp_path):
    (tmp_path / "sendmail.cf").write_text(
        SENDMAIL_CF.format(filters=filters, place=f"unix:{listening}", equates=equates, trusting="TrustStickyBit")
    )
    (tmp_path / "policy.conf").write_text(f"milter_socket = unix:{listening}\ndns_servers = 127.0.0.1\n")
    arguments = ["-c", str(tmp_path / "policy.conf"), "--sendmail", "--mta-config", str(tmp_path / "sendmail.cf")]
    done = CliRunner().invoke(command, arguments)
    assert finding.format(sock=listening) in done.output
    assert done.exit_code == status


@pytest.mark.parametrize(
    "mode, trusting, exposed",
    [
        (0o755, "TrustStickyBit", False),
        (0o755, "safe", True),  # /tmp
        (0o775, "AssumeSafeChown,TrustStickyBit", True),
        (0o775, "truststickybit, groupwritabledirpathsafe", False),
        (0o777, "TrustStickyBit,GroupWritableDirPathSafe", True),
    ],
)
def test_sendmail_is_particular_about_directories(mode, trusting, exposed, tmp_path):
    with tempfile.TemporaryDirectory(prefix="policyd-doctor-") as directory:
        Path(directory).chmod(mode)
        place = f"unix:{directory}/policyd.sock"
        equates = "F=T, T=S:4m;R:4m;E:10m"
        (tmp_path / "sendmail.cf").write_text(
            SENDMAIL_CF.format(filters="policyd", place=place, equates=equates, trusting=trusting)
        )
        (tmp_path / "policy.conf").write_text(f"milter_socket = {place}\n")
        arguments = ["-c", str(tmp_path / "policy.conf"), "--sendmail", "--mta-config", str(tmp_path / "sendmail.cf")]
        done = CliRunner().invoke(command, arguments)
    assert ("PROBLEM: the daemon: Sendmail does not start: others may write to /tmp" in done.output) == exposed


@pytest.mark.parametrize(
    "kind, place, complaint",
    [
        ("--postfix", "missing", "Error: postconf is not here: is another MTA at work (--sendmail), or is it"),
        ("--sendmail", "missing", "/missing is not here: is another MTA at work (--postfix), or is it elsewhere"),
        ("--sendmail", ".", "cannot be asked how it is configured: {here}/.: Is a directory"),
        ("--sendmail", "policy.conf", "{here}/policy.conf is not a sendmail.cf: it has no line with its version"),
    ],
)
def test_an_mta_that_is_not_there(kind, place, complaint, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "policy.conf").write_text("")
    arguments = ["-c", str(tmp_path / "policy.conf"), kind, "--mta-config", f"{tmp_path}/{place}"]
    done = CliRunner().invoke(command, arguments)
    assert complaint.format(here=tmp_path).replace("/.:", ":") in done.output
    assert done.exit_code == 1


def test_a_running_postfix(tmp_path):
    """The one that the tests run mail through: attached, with a private directory."""
    with Postfix(sink=9) as postfix:
        (tmp_path / "policy.conf").write_text(f"milter_socket = {postfix.socket}\n")
        postconf = program("postconf")
        done = CliRunner().invoke(
            command,
            ["-c", str(tmp_path / "policy.conf"), "--mta-config", str(postfix.directory)],
            env=environment(postconf) | {"PATH": f"{postconf.parent}:{os.environ['PATH']}"},
        )
    assert f"127.0.0.1:{postfix.port}/inet (smtpd): policyd is attached" in done.output
    assert "there is no such socket: is policyd running?" in done.output


@pytest.mark.parametrize("count, suspected", [("0.0", False), ("2.0", True)])
def test_where_the_running_daemon_suspects_a_balancer(count, suspected, doctor):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"# HELP\npolicyd_balancers_suspected_total {count}\n".encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        said, _ = doctor("", f"metrics_address = 127.0.0.1:{server.server_port}\n")
        server.shutdown()
        thread.join()
    assert ("PROBLEM: nearly all connections come from one private address" in said) == suspected
