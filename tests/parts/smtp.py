"""What clients say, whichever MTA they talk to, and a policy that refuses it at every phase."""

from __future__ import annotations

import smtplib

PHASES = "begin acl" + "".join(
    f"""
acl_check_{phase}:
  deny   {key.replace("KEY", "deny." + phase)}
         message = 554 5.7.7 {phase}: denied
  defer  {key.replace("KEY", "defer." + phase)}
         message = 452 4.3.7 {phase}: deferred
  drop   {key.replace("KEY", "drop." + phase)}
         message = {phase}: dropped
  accept"""
    for phase, key in {
        "connect": "condition = ${if eq{$sender_host_name}{KEY}}",
        "helo": "condition = ${if eq{$sender_helo_name}{KEY}}",
        "mail": "senders = *@KEY",
        "rcpt": "domains = KEY",
        "predata": "condition = ${if eq{$sender_helo_name}{KEY}}",
        "data": "condition = ${if eq{$h_subject:}{KEY}}",
    }.items()
)


VERDICTS = [
    # until MAIL, Postfix and Sendmail answer 250 to whatever is not a 421
    ("deny.connect", "MAIL", "554 5.7.7 connect: denied"),
    ("deny.helo", "MAIL", "554 5.7.7 helo: denied"),
    ("deny.mail", "MAIL", "554 5.7.7 mail: denied"),
    ("deny.rcpt", "RCPT", "554 5.7.7 rcpt: denied"),
    ("deny.predata", "DATA", "554 5.7.7 predata: denied"),
    ("deny.data", "From:", "554 5.7.7 data: denied"),
    ("defer.connect", "MAIL", "452 4.3.7 connect: deferred"),
    ("defer.helo", "MAIL", "452 4.3.7 helo: deferred"),
    ("defer.mail", "MAIL", "452 4.3.7 mail: deferred"),
    ("defer.rcpt", "RCPT", "452 4.3.7 rcpt: deferred"),
    ("defer.predata", "DATA", "452 4.3.7 predata: deferred"),
    ("defer.data", "From:", "452 4.3.7 data: deferred"),
    ("drop.connect", "EHLO", "421 4.7.1 connect: dropped"),
    ("drop.helo", "EHLO", "421 4.7.1 helo: dropped"),
    ("drop.mail", "MAIL", "421 4.7.1 mail: dropped"),
    ("drop.rcpt", "RCPT", "421 4.7.1 rcpt: dropped"),
    ("drop.predata", "DATA", "421 4.7.1 predata: dropped"),
    ("drop.data", "From:", "421 4.7.1 data: dropped"),
    ("accept", "", ""),
]
"""For clients of an MTA that `PHASES` advises: their key, the first word of what is refused, and the reply."""


def content(subject: str = "hello", *lines: str) -> str:
    """A message as it is sent after DATA, with its closing dot."""
    return "\r\n".join(["From: <from@example.org>", f"Subject: {subject}", *lines, "", "A body.", "."])


def say(smtp: smtplib.SMTP, command: str) -> tuple[int, str]:
    """Send a command, or a whole message: the code and the text of the reply."""
    smtp.send(command + "\r\n")
    code, text = smtp.getreply()
    return code, text.decode()


def refusal(smtp: smtplib.SMTP, key: str) -> tuple[str, str]:
    """Send a message, every part of which says *key*: the first word of what was refused, and the reply."""
    for command in [f"EHLO {key}", f"MAIL FROM:<from@{key}>", f"RCPT TO:<to@{key}>", "DATA", content(key)]:
        code, text = say(smtp, command)
        if code >= 400:
            return command.split()[0], f"{code} {text}"
    return "", ""


def is_disconnected(smtp: smtplib.SMTP) -> bool:
    """Whether the server has hung up."""
    try:
        say(smtp, "NOOP")
    except smtplib.SMTPServerDisconnected:
        return True
    return False


def send(smtp: smtplib.SMTP, *recipients: str, sender: str = "from@example.org", message: str = "") -> None:
    """Send a message, all of which is accepted."""
    commands = ["EHLO client.example.org", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
    codes = [say(smtp, command)[0] for command in [*commands, message or content()]]
    assert codes == [250] * len(commands[:-1]) + [354, 250]
