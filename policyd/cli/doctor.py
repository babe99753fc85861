"""``policyd doctor``: what is wrong around a policy that is right."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from policyd import config, words
from policyd.cli.options import reporting, say
from policyd.doctor.host import about_the_host
from policyd.doctor.mta import about_the_mta
from policyd.doctor.postfix import postfix
from policyd.doctor.sendmail import SENDMAIL_CF, sendmail
from policyd.doctor.site import Finding, Grade, Mta, Site


@click.command(help="Look for mistakes in how the MTA asks policyd, and in the host. Best run as root.")
@click.option("-c", "--config", "path", required=True, metavar="CONF", help="What policyd is started with.")
@click.option("--postfix", "kind", flag_value="postfix", help="The MTA is Postfix.", default=True)
@click.option("--sendmail", "kind", flag_value="sendmail", help="The MTA is Sendmail.")
@click.option(
    "--mta-config", default="", metavar="PATH", help="Postfix's directory or Sendmail's file, if not the usual."
)
def command(path: str, kind: str, mta_config: str) -> None:
    """Exit status 1 when there is a problem."""
    words.load()
    with reporting():
        settings = config.load(path).settings
    try:
        mta = _mta(kind, mta_config)
    except FileNotFoundError as error:
        other = {"postfix": "--sendmail", "sendmail": "--postfix"}[kind]
        text = f"{error.filename} is not here: is another MTA at work ({other}), or is it elsewhere (--mta-config)?"
        raise click.ClickException(text) from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{kind} cannot be asked how it is configured: {_reason(error)}") from None
    site = Site(settings, mta)
    findings = [*about_the_mta(site), *about_the_host(site)]
    say(line for finding in findings for line in _lines(finding))
    sys.exit(any(finding.grade is Grade.BAD for finding in findings))


def _mta(kind: str, place: str) -> Mta:
    return postfix(place) if kind == "postfix" else sendmail(place or SENDMAIL_CF)


def _reason(error: OSError | ValueError) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.grade.value}: {finding.text}"
    if finding.advice:
        yield f"    {finding.advice}"
