"""What a policy knows of the client: its address, TLS and authentication."""

from __future__ import annotations

import pytest
from parts.exchange import exchange, problems


def logged(body, phase="mail", helo="h", **details):
    """What the ACL of *phase* logs, or nothing when it refuses."""
    policy = f"primary_hostname = mx.example.org\nbegin acl\nacl_check_{phase}:\n  {body}\n"
    session = exchange(policy, f"EHLO {helo}", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", **details)
    return [line for line in session.log if "rejected" not in line]


LOCAL = {"local_address": "198.51.100.25", "local_port": 25}
TLS = {"tls_version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "cipher_bits": "256", "cert_subject": "CN=c"}


@pytest.mark.parametrize(
    "variables, details, shown",
    [
        ("$sender_host_address $sender_host_port", {}, "192.0.2.1 0"),
        ("$sender_host_address $sender_host_port", {"port": 2525}, "192.0.2.1 2525"),
        ("$sender_host_address", {"client": "2001:db8::1"}, "2001:db8::1"),
        ("<$interface_address $interface_port>", {}, "< -1>"),
        ("$received_port", {}, "-1"),
        ("$interface_address $interface_port", LOCAL, "198.51.100.25 25"),
        ("$received_ip_address $received_port", LOCAL, "198.51.100.25 25"),
        ("$sender_fullhost", {}, "(h) [192.0.2.1]"),
        ("$sender_fullhost", {"name": "c.test"}, "c.test (h) [192.0.2.1]"),
        ("$sender_fullhost", {"name": "h"}, "h [192.0.2.1]"),
        ("$sender_fullhost", {"helo": "[192.0.2.1]"}, "([192.0.2.1]) [192.0.2.1]"),
        ("$sender_rcvhost", {}, "[192.0.2.1] (helo=h)"),
        ("$sender_rcvhost", {"name": "c.test"}, "c.test ([192.0.2.1] helo=h)"),
        ("$sender_rcvhost", {"name": "h"}, "h ([192.0.2.1])"),
        ("$sender_rcvhost", {"helo": "[192.0.2.1]"}, "[192.0.2.1]"),
        ("$sender_helo_name", {"helo": "Some.Name"}, "Some.Name"),
        ("$sender_ident", {}, ""),
        ("$sender_ident", {"macros": {"_": "c.test [192.0.2.1]"}}, ""),
        ("$sender_ident", {"macros": {"_": "joe@c.test [192.0.2.1]"}}, "joe"),
        ("$prdr_requested", {}, "no"),
        ("$authenticated_id|$authenticated_sender|$sender_host_authenticated", {}, "||"),
        ("$authenticated_id|$authenticated_sender|$sender_host_authenticated",
         {"macros": {"auth_type": "PLAIN", "auth_authen": "joe", "auth_author": "joe@x"}}, "joe|joe@x|PLAIN"),
        ("$tls_in_cipher|$tls_in_ver|$tls_in_bits|$tls_in_peerdn", {}, "||0|"),
        ("$tls_in_cipher|$tls_in_ver|$tls_in_bits|$tls_in_peerdn", {"macros": TLS},
         "TLSv1.3:TLS_AES_256_GCM_SHA384:256|TLSv1.3|256|CN=c"),
        ("$tls_cipher|$tls_bits|$tls_peerdn", {"macros": TLS}, "TLSv1.3:TLS_AES_256_GCM_SHA384:256|256|CN=c"),
        ("$tls_in_certificate_verified$tls_certificate_verified", {}, "00"),
        ("$tls_in_certificate_verified$tls_certificate_verified", {"macros": {"cert_subject": "CN=c"}}, "11"),
        ("$received_protocol", {}, "esmtp"),
        ("$received_protocol", {"macros": TLS}, "esmtps"),
        ("$received_protocol", {"macros": {**TLS, "auth_type": "PLAIN"}}, "esmtpsa"),
    ],
)  # fmt: skip
def test_variables(variables, details, shown):
    assert logged(f"accept logwrite = {variables}", **details) == [shown]


@pytest.mark.parametrize(
    "condition, macros, answer",
    [
        ("authenticated = *", {}, False),
        ("authenticated = *", {"auth_type": "PLAIN"}, True),
        ("authenticated = plain : login", {"auth_type": "LOGIN"}, True),
        ("authenticated = cram-md5", {"auth_type": "PLAIN"}, False),
        ("!authenticated = *", {}, True),
        ("authenticated =", {"auth_type": "PLAIN"}, False),
        ("encrypted = *", {}, False),
        ("encrypted = *", TLS, True),
        ("encrypted = TLS_AES_256_GCM_SHA384", TLS, True),
        ("encrypted = tls_aes_*", TLS, False),
        ("encrypted = *SHA384", TLS, True),
        ("encrypted = ^TLSv1.3::", TLS, True),  # or protocol, cipher and bits
        ("encrypted = ^TLSv1.2::", TLS, False),
        ("!encrypted = *", {}, True),
        ("verify = certificate", {}, False),
        ("verify = certificate", {"cert_subject": "CN=c"}, True),
        ("verify = certificate", {"verify": "OK", "cert_subject": "CN=c"}, True),
        ("verify = certificate", {"verify": "FAIL", "cert_subject": "CN=c"}, False),
        ("verify = certificate", {"verify": "OK"}, True),
    ],
)
def test_conditions(condition, macros, answer):
    assert logged(f"accept {condition}\n    logwrite = yes", macros=macros) == (["yes"] if answer else [])


def test_what_the_last_match_of_hosts_left_behind_lasts_for_the_connection(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("192.0.2.1: known\n")
    policy = f"begin acl\nacl_check_connect:\n  accept hosts = net-lsearch;{file}\n"
    policy += "acl_check_rcpt:\n  warn hosts = 10.0.0.1\n  warn !hosts = !10.0.0.1\n  accept logwrite = $host_data\n"
    assert exchange(policy, "EHLO h", "MAIL FROM:<a@x>", "RCPT TO:<b@y>").log == ["known"]


@pytest.mark.parametrize(
    "condition, phase, allowed",
    [
        ("authenticated = *", "connect", "mail, rcpt, predata, dkim, data, quit, notquit"),
        ("authenticated = *", "helo", "mail, rcpt, predata, dkim, data, quit, notquit"),
        ("encrypted = *", "connect", "helo, mail, rcpt, predata, dkim, data, quit, notquit"),
        ("verify = certificate", "connect", "helo, mail, rcpt, predata, dkim, data, quit, notquit"),
    ],
)
def test_acls(condition, phase, allowed):
    [problem] = problems(f"begin acl\nacl_check_{phase}:\n  accept {condition}\n")
    assert problem.endswith(f"cannot be used in the {phase} ACL | allowed in: {allowed}")
